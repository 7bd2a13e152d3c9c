"""The rule on how far back a resolver may go."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sekisho.model import Kind, Reason
from sekisho.policy.rules.base import BaseRule, Case
from sekisho.policy.rules.entries import Entry, entry_of


@lru_cache(maxsize=64)
def _floors(kind: Kind, floors: tuple[str, ...]) -> Mapping[str, Entry]:
    return {(entry := entry_of(kind, text)).project: entry for text in floors}


class Floor(BaseRule):
    """A direct requirement resolved below its floor.

    Where a newer release has no wheel for the target, a resolver does not fail, it goes back, by years if it must.
    ``floors`` are PEP 508 requirements that must hold, with ``kind: conda`` match specs; ``behind_days`` is how much
    older than the newest release of its project the chosen one may be.
    """

    check: Literal["floor"]
    kind: Kind = "pypi"
    floors: tuple[str, ...] = ()
    behind_days: Annotated[int, Field(ge=1, le=36500)] | None = None

    @field_validator("floors")
    @classmethod
    def _name_releases(cls, floors: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for text in floors:
            entry = entry_of(info.data.get("kind", "pypi"), text)
            if not entry.says_which:
                message = f"{text!r} names no release that it must not be below, as in {entry.project}>=1"
                raise ValueError(message)
        return floors

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.floors and self.behind_days is None:
            message = "it needs floors, behind_days, or both"
            raise ValueError(message)
        return self

    def look(self, case: Case) -> Reason | None:
        """Answer for what was asked for by name; what came with it may be as old as it needs."""
        artifact = case.artifact
        subject = (artifact.kind, artifact.project)
        if artifact.kind != self.kind or subject not in case.known.direct:
            return None
        entry = _floors(self.kind, self.floors).get(artifact.project)
        if entry is not None and not entry.holds(artifact.release, unknown=False):
            return self.reason(f"{artifact.release} was chosen, below the floor {entry.text}")
        newest = case.known.newest.get(subject)
        if self.behind_days is None or newest is None or artifact.uploaded is None:
            return None
        behind = (newest.uploaded - artifact.uploaded).days
        if behind <= self.behind_days:
            return None
        return self.reason(f"{artifact.release} was chosen, {behind} days older than {newest.release}")
