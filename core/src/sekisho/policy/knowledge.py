"""Everything besides the artifact and its facts that a rule may know, as values: here nobody asks a clock or a disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from sekisho.advisories import Advisory, AdvisoryIndex, Hit
from sekisho.advisories.index import gravity
from sekisho.model import EVERYONE, Artifact, Facts, Slug
from sekisho.policy.distance import Names
from sekisho.vex import Excuses

Project = tuple[str, str]
"""A kind of source and a project's name in it."""


class Advisories(Protocol):
    """What is known against releases. ``feeds`` says of each feed when its data is of."""

    @property
    def feeds(self) -> Mapping[str, datetime]:
        """Return when the data of each feed is of."""
        ...

    def covers(self, kind: str) -> bool:
        """Tell whether the data speaks of this kind of source at all."""
        ...

    def known_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of all under which the data speaks of a project."""
        ...

    def same_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of what holds a project of the index, or of what a conda package holds, by name."""
        ...

    def affecting(self, kind: str, project: str, release: str) -> tuple[Hit, ...]:
        """Return what concerns a release."""
        ...

    def file(self, sha256: str) -> Advisory | None:
        """Return the report that names this very file as malicious."""
        ...


class Status(NamedTuple):
    """What a source says of a whole project (PEP 792)."""

    status: Literal["active", "archived", "quarantined", "deprecated"]
    reason: str = ""


class Published(NamedTuple):
    """A release that the source offers, and since when."""

    release: str
    uploaded: datetime


NO_ADVISORIES = AdvisoryIndex((), {}, {}, covers=frozenset(), feeds={})
"""Covers nothing, so that everything is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known at the time of judging; whatever is missing is unknown.

    ``first_seen`` is kept by sha256, on our own clock. ``approved`` holds the releases with an approval in force;
    ``scanned`` is what a scanner noticed in the last approved one, by scanner, ``published`` who was behind it.
    ``newest`` is what the source offers. ``names`` are, by kind, those that nothing may imitate. ``direct`` is filled
    in from the closure.
    """

    advisories: Advisories = NO_ADVISORIES
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    approved: Mapping[Project, frozenset[str]] = field(default_factory=dict)
    scanned: Mapping[Project, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    published: Mapping[Project, frozenset[str]] = field(default_factory=dict)
    statuses: Mapping[Project, Status] = field(default_factory=dict)
    newest: Mapping[Project, Published] = field(default_factory=dict)
    names: Mapping[str, Names] = field(default_factory=dict)
    excuses: Excuses = field(default_factory=Excuses)
    direct: frozenset[Project] = frozenset()
    workspace: Slug = EVERYONE

    def against(self, artifact: Artifact, facts: Facts | None = None) -> tuple[Hit, ...] | None:
        """Return the advisories that concern an artifact, or ``None`` where no data covers it: that is not clean.

        Of a conda package they are those on what it holds, by its own METADATA, and on what else it is known as.
        """
        held = {("pypi", one.project): one.release for one in facts.contains} if facts else {}
        if not held or not self.advisories.covers("pypi"):
            return self.concerning(artifact.kind, artifact.project, artifact.release)
        named = self.advisories.known_as(artifact.kind, artifact.project)
        asked = dict.fromkeys(named, artifact.release) | held
        found: dict[str, Hit] = {}
        for subject, release in asked.items():
            for hit in self.advisories.affecting(*subject, release):
                if hit.certain or hit.advisory.id not in found:
                    found[hit.advisory.id] = hit
        return tuple(sorted(found.values(), key=gravity, reverse=True))

    def known_as(self, artifact: Artifact, facts: Facts | None = None) -> tuple[Project, ...]:
        """Return under which names the data speaks of the releases of an artifact's project.

        Of a conda package that are the projects that it holds in its own release, by its METADATA; only where there is
        no METADATA in it, or it was not looked into, what it is known as. Where there is none it is unknown.
        """
        if self.advisories.covers(artifact.kind):
            return ((artifact.kind, artifact.project),)
        if artifact.kind == "conda" and facts and facts.contains and self.advisories.covers("pypi"):
            return tuple(("pypi", one.project) for one in facts.contains if one.release == artifact.release)
        return self.advisories.known_as(artifact.kind, artifact.project)

    def concerning(self, kind: str, project: str, release: str) -> tuple[Hit, ...] | None:
        """Return the advisories that concern a release, under whatever names the data speaks of its project."""
        if self.advisories.covers(kind):
            return self.advisories.affecting(kind, project, release)
        known_as = self.advisories.known_as(kind, project)
        found = [hit for named in known_as for hit in self.advisories.affecting(*named, release)]
        return tuple({hit.advisory.id: hit for hit in found}.values()) if known_as else None


NOTHING_KNOWN = Knowledge()
