"""Entries of rules that name releases: PEP 508 requirements for an index, match specs (CEP 29) for a channel."""

from dataclasses import dataclass
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from sekisho.model import Artifact, Kind, normalize_project
from sekisho.model.conda_version import conda_version
from sekisho.model.match_spec import MatchSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read: ``text`` is how it is written, ``project`` whose releases it names."""

    text: str
    project: str
    requirement: Requirement | None = None
    spec: MatchSpec | None = None

    @classmethod
    def parse(cls, kind: Kind, text: str) -> "Entry":
        """Read an entry; raise ``ValueError`` for what names no releases of one project."""
        if kind == "conda":
            spec = MatchSpec.parse(text)
            if "*" in spec.name:
                message = f"{text!r} names no package of its own"
                raise ValueError(message)
            return cls(text, normalize_project(kind, spec.name), spec=spec)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            message = f"{text!r} is not a requirement: {error}"
            raise ValueError(message) from error
        return cls(text, normalize_project(kind, requirement.name), requirement=requirement)

    @property
    def names_all(self) -> bool:
        """Tell whether it names every file of the project."""
        if self.spec is not None:
            return self.spec._replace(name="") == MatchSpec("")
        return self.requirement is not None and not self.requirement.specifier

    @property
    def says_which(self) -> bool:
        """Tell whether it compares releases."""
        if self.spec is not None:
            return self.spec.version is not None
        return self.requirement is not None and bool(self.requirement.specifier)

    def holds(self, release: str, *, unknown: bool) -> bool:
        """Tell whether the release is one that the entry names; ``unknown`` is the answer where nobody can compare."""
        try:
            if self.requirement is not None:
                return self.requirement.specifier.contains(Version(release), prereleases=True)
            conda_version(release)
        except ValueError:  # InvalidVersion, or a number that Python does not read
            return unknown
        return self.spec is None or self.spec.version is None or self.spec.version.contains(release)

    def names_release(self, release: str) -> bool:
        """Tell whether it names every file of a release, or may do so."""
        if self.spec is not None and self.spec._replace(name="", version=None) != MatchSpec(""):
            return False
        return self.holds(release, unknown=True)

    def names(self, artifact: Artifact) -> bool:
        """Tell whether the file is one that the entry names, or may be."""
        if self.spec is None:
            return self.holds(artifact.release, unknown=True)
        return self.holds(artifact.release, unknown=True) and self.spec._replace(version=None).matches(artifact)


@lru_cache(maxsize=4096)
def entry_of(kind: Kind, text: str) -> Entry:
    """Read an entry, or remember it; raise ``ValueError`` for what is none."""
    return Entry.parse(kind, text)
