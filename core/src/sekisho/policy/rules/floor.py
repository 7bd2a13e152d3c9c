"""The rule on how far back a resolver may go."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version
from pydantic import Field, field_validator, model_validator

from sekisho.model import Kind, Reason, normalize_project
from sekisho.policy.rules.base import BaseRule, Case


@lru_cache(maxsize=64)
def _floors(kind: Kind, floors: tuple[str, ...]) -> Mapping[str, Requirement]:
    return {normalize_project(kind, (entry := Requirement(text)).name): entry for text in floors}


class Floor(BaseRule):
    """A direct requirement resolved below its floor.

    Where a newer release has no wheel for the target, a resolver does not fail, it goes back, by years if it must.
    ``floors`` are PEP 508 requirements that must hold; ``behind_days`` is how much older than the newest release of
    its project the chosen one may be.
    """

    check: Literal["floor"]
    kind: Kind = "pypi"
    floors: tuple[str, ...] = ()
    behind_days: Annotated[int, Field(ge=1, le=36500)] | None = None

    @field_validator("floors")
    @classmethod
    def _are_requirements(cls, floors: tuple[str, ...]) -> tuple[str, ...]:
        for text in floors:
            try:
                entry = Requirement(text)
            except InvalidRequirement as error:
                message = f"{text!r} is not a requirement: {error}"
                raise ValueError(message) from error
            if not entry.specifier:
                message = f"{text!r} names no release that it must not be below, as in {entry.name}>=1"
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
        if entry is not None and not _reaches(entry, artifact.release):
            return self.reason(f"{artifact.release} was chosen, below the floor {entry}")
        newest = case.known.newest.get(subject)
        if self.behind_days is None or newest is None or artifact.uploaded is None:
            return None
        behind = (newest.uploaded - artifact.uploaded).days
        if behind <= self.behind_days:
            return None
        return self.reason(f"{artifact.release} was chosen, {behind} days older than {newest.release}")


def _reaches(entry: Requirement, release: str) -> bool:
    try:
        return entry.specifier.contains(Version(release), prereleases=True)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return False
