"""Gate ``verify``: the definition's own scripts end with status 0, each in a container of its own."""

from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory

from sekisho.errors import BadInputError
from sekisho.model.image import Verification
from sekisho.ports import Mount
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.gates.watching import SCRATCH, Bounds, fault, watch

INSIDE = "/verify"


def scripts(subject: Subject) -> tuple[Verification, ...]:
    """Return what the definition declares, or every ``verify/*.py`` in the order of their names."""
    declared = subject.definition.verify
    if declared is not None or subject.verify is None:
        return declared or ()
    return tuple(Verification(script=path.name) for path in sorted(subject.verify.glob("*.py")))


def verify(subject: Subject) -> Answer:
    """Run each with the image's interpreter and its bounds; one that fails leaves the others as they are."""
    with TemporaryDirectory() as folder:
        readable = _copy(subject.verify, Path(folder) / "verify")
        answers = [(_run(subject, readable, one), one.script) for one in scripts(subject)]
    faults = [f"{script} {wrong}" for (wrong, _), script in answers if wrong]
    passed = [f"{script} passed in {seconds:.1f} s" for (wrong, seconds), script in answers if not wrong]
    return Answer(not faults, (*faults, *passed) or ("the definition has no verify/ scripts",))


def _copy(scripts: Path | None, to: Path) -> Path:
    """Copy the scripts so that the image's user can read them, whatever their modes here.

    Raises ``BadInputError`` for a link: what it leads to nobody reviewed, and a script could print it.
    """
    to.mkdir()
    if scripts is not None:
        for path in sorted(scripts.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BadInputError(f"verify/{path.relative_to(scripts)} is a link or a special file", where=str(path))
        copytree(scripts, to, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
    for path in (to, *to.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return to


def _run(subject: Subject, folder: Path, one: Verification) -> tuple[str, float]:
    """Return (why it failed or "", seconds)."""
    if not (folder / one.script).is_file():
        return "is declared and not in verify/", 0.0
    bounds = Bounds(one.seconds, one.memory, one.processes)
    found = watch(
        subject, f"verify/{one.script}", subject.python, f"{INSIDE}/{one.script}",
        bounds=bounds, environment={"OUTPUT": SCRATCH}, mounts=(Mount(outside=str(folder), inside=INSIDE),),
    )  # fmt: skip
    return fault(found, bounds), found.seconds
