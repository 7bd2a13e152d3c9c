"""Gate ``pip-check``: every requirement of every package is met. The image needs no pip of its own."""

from importlib.util import find_spec

from sekisho.errors import MissingToolError
from sekisho.ports import Mount
from sekisho_builder.gates.subject import Answer, Subject

_INSIDE = "/run/sekisho-pip"


def pip_check(subject: Subject) -> Answer:
    """Lend the image this environment's pip, read-only, and run its check."""
    spec = find_spec("pip")
    if spec is None or not spec.submodule_search_locations:
        raise MissingToolError("pip is not installed beside the builder", todo="install pip in the same environment")
    mount = Mount(outside=spec.submodule_search_locations[0], inside=f"{_INSIDE}/pip")
    environment = {"PYTHONPATH": _INSIDE, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}
    task = subject.task(subject.python, "-m", "pip", "check", environment=environment, mounts=(mount,))
    result = subject.containers.run(task)
    lines = tuple(line for line in result.output.strip().splitlines() if line.strip())
    return Answer(result.status == 0, lines[-20:] or (f"pip check ended with status {result.status}",))
