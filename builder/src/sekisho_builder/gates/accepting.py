"""What a gate objects to, beside what the image's definition accepts with a reason."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from sekisho.model import ImageDefinition
from sekisho_builder.gates.subject import Answer

_SHOWN = 20
_NAMED = 5


class Objection(NamedTuple):
    """Something that a gate found. ``what`` is the name that ``accept`` in image.yaml gives it.

    Where it is not ``acceptable``, no reason helps.
    """

    what: str
    says: str
    acceptable: bool = True


def settle(
    definition: ImageDefinition, gate: str, objections: Iterable[Objection], *evidence: str, lead: Iterable[str] = ()
) -> Answer:
    """Return a gate's answer: it fails for every objection that nothing accepts, ``lead`` said before them.

    ``evidence`` is what the gate saw otherwise. What is accepted is named with its reason, and so is an acceptance that
    nothing needs.
    """
    accepted = [entry for entry in definition.accept if entry.gate == gate]
    used: dict[int, list[str]] = {number: [] for number in range(len(accepted))}
    faults: list[str] = []
    for objection in objections:
        found = [n for n, entry in enumerate(accepted) if fnmatchcase(objection.what, entry.what)]
        if objection.acceptable and found:
            used[found[0]].append(objection.says)
        else:
            faults.append(objection.says)
    notes = []
    for number, says in used.items():
        if says:
            notes.append(f"{accepted[number].what}: {len(says)} accepted, {accepted[number].reason}: {_some(says)}")
        else:
            notes.append(f"{accepted[number].what}: there is nothing to accept; drop it from image.yaml")
    more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return Answer(not faults, (*(lead if faults else ()), *faults[:_SHOWN], *more, *evidence, *notes))


def _some(says: list[str]) -> str:
    more = f" and {len(says) - _NAMED} more" if len(says) > _NAMED else ""
    return "; ".join(says[:_NAMED]) + more
