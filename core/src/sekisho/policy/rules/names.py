"""Rules on names: what nobody may have, and what passes for something else."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Annotated, ClassVar, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version
from pydantic import Field, field_validator

from sekisho.model import Kind, Outcome, Reason, normalize_project
from sekisho.policy.distance import Names
from sekisho.policy.rules.base import BaseRule, Case, Look


def _within(entry: Requirement, release: str) -> bool:
    """Tell whether the release may be one that ``entry`` names; one that cannot be compared may be any."""
    try:
        return entry.specifier.contains(Version(release), prereleases=True)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return True


class Denied(BaseRule):
    """Names and releases that nobody may have: PEP 508 requirements, as in ``foo`` or ``foo<1.2``."""

    hard: ClassVar[bool] = True
    check: Literal["denied"]
    then: Literal[Outcome.DENY] = Outcome.DENY
    kind: Kind = "pypi"
    projects: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("projects")
    @classmethod
    def _are_requirements(cls, projects: tuple[str, ...]) -> tuple[str, ...]:
        for text in projects:
            try:
                Requirement(text)
            except InvalidRequirement as error:
                message = f"{text!r} is not a requirement: {error}"
                raise ValueError(message) from error
        return projects

    @cached_property
    def entries(self) -> Mapping[str, tuple[tuple[str, Requirement], ...]]:
        """Return the entries by project: doors ask for every file, and there may be thousands of entries."""
        found: dict[str, tuple[tuple[str, Requirement], ...]] = {}
        for text in self.projects:
            entry = Requirement(text)
            name = normalize_project(self.kind, entry.name)
            found[name] = (*found.get(name, ()), (text, entry))
        return found

    def look(self, case: Case) -> Reason | None:
        """Answer for the first entry that names the artifact's project and release."""
        return self.of(case.artifact.kind, case.artifact.project, case.artifact.release)

    def of(self, kind: Kind, project: str, release: str | None) -> Reason | None:
        """Answer for the first entry that names a release; without one, for an entry that names all of them."""
        if kind != self.kind:
            return None
        for text, entry in self.entries.get(project, ()):
            if _within(entry, release) if release else not entry.specifier:
                return self.reason(f"the policy denies {text}")
        return None


_NO_NAMES = Names()


@lru_cache(maxsize=16)
def _names(protect: tuple[str, ...]) -> Names:
    return Names(protect)


class NameDistance(BaseRule):
    """The name could be taken for another one: for one that is approved, or one of those to ``protect``.

    One letter left out, added, exchanged or swapped, or letters and separators that look alike. A name that is itself
    approved or protected is never meant, nor one that differs by a number at its end.
    """

    check: Literal["name_distance"]
    kind: Kind = "pypi"
    protect: tuple[str, ...] = ()

    @field_validator("protect")
    @classmethod
    def _are_sorted(cls, protect: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(protect)))

    def look(self, case: Case) -> Reason | None:
        """Answer with the name that is meant, if it is not approved itself."""
        return self._look(case, _names(self.protect))

    def _look(self, case: Case, protected: Names) -> Reason | None:
        artifact, known = case.artifact, case.known
        name = artifact.project
        if name in protected.names or artifact.kind != self.kind or (self.kind, name) in known.approved:
            return None
        names = known.names.get(self.kind, _NO_NAMES)
        if name in names.names:
            return None
        other = protected.imitated_by(name) or names.imitated_by(name)
        return self.reason(f"it could be taken for {other}") if other else None

    def bare(self) -> Look:
        """Look the protected names up once, not for every artifact."""
        protected = _names(self.protect)
        return lambda case: self._look(case, protected)
