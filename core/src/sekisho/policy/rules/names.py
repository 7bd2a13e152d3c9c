"""Rules on names: what nobody may have, and what passes for something else."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from sekisho.model import Kind, Outcome, Reason
from sekisho.policy.distance import Names
from sekisho.policy.rules.base import BaseRule, Case, Look
from sekisho.policy.rules.entries import Entry, entry_of

DENIES = "the policy denies "


class Denied(BaseRule):
    """Names and releases that nobody may have: PEP 508 requirements, as in ``foo`` or ``foo<1.2``; with ``kind: conda``
    match specs (CEP 29), as in ``foo=*=*mkl*`` or ``forge::foo``.
    """  # noqa: D205

    hard: ClassVar[bool] = True
    check: Literal["denied"]
    then: Literal[Outcome.DENY] = Outcome.DENY
    kind: Kind = "pypi"
    projects: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("projects")
    @classmethod
    def _are_entries(cls, projects: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for text in projects:
            entry_of(info.data.get("kind", "pypi"), text)
        return projects

    @cached_property
    def entries(self) -> Mapping[str, tuple[Entry, ...]]:
        """Return the entries by project: doors ask for every file, and there may be thousands of entries."""
        found: dict[str, tuple[Entry, ...]] = {}
        for text in self.projects:
            entry = entry_of(self.kind, text)
            found[entry.project] = (*found.get(entry.project, ()), entry)
        return found

    def look(self, case: Case) -> Reason | None:
        """Answer for the first entry that names the artifact."""
        artifact = case.artifact
        if artifact.kind != self.kind:
            return None
        for entry in self.entries.get(artifact.project, ()):
            if entry.names(artifact):
                return self._denies(entry)
        return None

    def of(self, kind: Kind, project: str, release: str | None) -> Reason | None:
        """Answer for the first entry that names a release, whatever its files; without one, that names all of them."""
        if kind != self.kind:
            return None
        for entry in self.entries.get(project, ()):
            if entry.names_release(release) if release else entry.names_all:
                return self._denies(entry)
        return None

    def _denies(self, entry: Entry) -> Reason:
        return self.reason(f"{DENIES}{entry.text}")


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
