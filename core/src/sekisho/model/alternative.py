"""Another answer, for a request whose closure needs a person or is denied."""

from typing import Self

from pydantic import model_validator

from sekisho.model.base import Record, Sha256
from sekisho.model.identity import ProjectName


class Change(Record):
    """Another release of a node; ``before`` or ``after`` is missing where only one of the closures has it."""

    project: ProjectName
    before: str | None = None
    after: str | None = None


class Alternative(Record):
    """What to have instead of ``closure``: the nearest answer of which policy allows more, as far as it is known.

    ``requirements`` and ``conda`` are what to ask for; they are those of the request where it can be satisfied
    otherwise. ``review`` and ``deny`` name what would still need an approval, and what no approval admits. ``fewest``
    tells that no other answer holds fewer conda packages that are denied, or as few and needs fewer approvals.
    """

    closure: Sha256
    requirements: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    changes: tuple[Change, ...]
    review: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    fewest: bool = False

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.requirements and not self.conda:
            raise ValueError("neither `requirements` nor `conda` asks for anything")
        return self
