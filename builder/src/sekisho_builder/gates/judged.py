"""What the policy says of the locked files now, and who approved them all the same."""

from collections.abc import Set
from typing import NamedTuple

from sekisho.errors import SekishoError
from sekisho.model import Outcome
from sekisho_builder.gates.accepting import Objection
from sekisho_builder.gates.made import Made

_NAMED = 5


class Judged(NamedTuple):
    """What speaks against locked files, and what people approved although it does."""

    objections: tuple[Objection, ...]
    notes: tuple[str, ...]


def judged(build: Made, rules: Set[str]) -> Judged:
    """Return the answers of some rules; a denial counts always, a review unless a person approved the file.

    Raises ``SekishoError`` where the portal did not judge every locked file.
    """
    verdicts = {verdict.sha256: verdict for verdict in build.record.judgement.verdicts}
    people = build.record.people
    objections, known = [], []
    for artifact in build.lock.artifacts:
        verdict = verdicts.get(artifact.sha256)
        if verdict is None:
            raise SekishoError(f"the portal did not judge {artifact.name}")
        for reason in verdict.reasons:
            says = f"{artifact.name}: {reason.evidence} ({reason.rule})"
            if reason.rule not in rules or reason.outcome is Outcome.ALLOW:
                continue
            if reason.outcome is Outcome.REVIEW and artifact.sha256 in people:
                known.append(f"{says}, approved by {people[artifact.sha256]}")
            else:
                objections.append(Objection(artifact.purl, says, acceptable=False))
    more = [f"and {len(known) - _NAMED} more that people approved"] if len(known) > _NAMED else []
    return Judged(tuple(objections), (*known[:_NAMED], *more))
