"""Gate ``verify``: the definition's own scripts end with status 0, each in a container of its own."""

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
    wanted = scripts(subject)
    there = {path.name for path in subject.verify.glob("*.py")} if subject.verify else set()
    faults: list[str] = []
    lines: list[str] = []
    for one in wanted:
        if subject.verify is None or one.script not in there:
            faults.append(f"{one.script} is declared and not in verify/")
            continue
        bounds = Bounds(one.seconds, one.memory, one.processes)
        mount = Mount(outside=str(subject.verify.absolute()), inside=INSIDE)
        found = watch(
            subject, f"verify/{one.script}", subject.python, f"{INSIDE}/{one.script}",
            bounds=bounds, environment={"OUTPUT": SCRATCH}, mounts=(mount,),
        )  # fmt: skip
        wrong = fault(found, bounds)
        (faults if wrong else lines).append(f"{one.script} {wrong or f'passed in {found.seconds:.1f} s'}")
    return Answer(not faults, (*faults, *lines) or ("the definition has no verify/ scripts",))
