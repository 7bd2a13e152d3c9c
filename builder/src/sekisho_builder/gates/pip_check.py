"""Gate ``pip-check``: every requirement of every package is met. The image needs no pip of its own."""

from importlib.util import find_spec

from sekisho.errors import MissingToolError
from sekisho.ports import Mount
from sekisho_builder.gates.subject import Answer, Subject, isolated

_INSIDE = "/run/sekisho-pip"
_SOUND = "No broken requirements found."
_CHECK = """
import runpy, sys
sys.path += sys.argv[1:]
sys.argv[:] = ["pip", "check"]
runpy.run_module("pip", run_name="__main__")
"""
"""Nothing of site-packages has been run before pip: neither its ``sitecustomize`` nor its ``.pth`` files."""


def pip_check(subject: Subject) -> Answer:
    """Lend the image this environment's pip, read-only, and run its check."""
    spec = find_spec("pip")
    if spec is None or not spec.submodule_search_locations:
        raise MissingToolError("pip is not installed beside the builder", todo="install pip in the same environment")
    mount = Mount(outside=spec.submodule_search_locations[0], inside=f"{_INSIDE}/pip")
    environment = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}
    command = (*isolated(subject), _CHECK, _INSIDE, subject.site)
    result = subject.containers.run(subject.task(*command, environment=environment, mounts=(mount,)))
    lines = tuple(line for line in result.output.strip().splitlines() if line.strip())
    passed = result.status == 0 and _SOUND in lines
    return Answer(passed, lines[-20:] or (f"pip check ended with status {result.status}",))
