"""A closure: the artifacts that a request needs, one file per project and target, edges kept."""

import re
from collections import deque
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.identity import Kind, NormalName, ProjectName, Slug, conda_purl, normalize_project, purl
from sekisho.model.target import Target

UpstreamPath = Annotated[str, StringConstraints(pattern=r"^[^\s\\?#\x00-\x1f/][^\s\\?#\x00-\x1f]*$", max_length=1000)]
"""Where a source keeps a file, below its file host and without it, so that records name no host."""

_LEADING_NAME = re.compile(r"[A-Za-z0-9._/-]+")
_SPEC_NAME = re.compile(r"(?:[^:\s]+::)?([A-Za-z0-9_.-]+)")


def node_of(kind: Kind, project: str) -> str:
    """Return what edges call a project: its name if it is of an index, ``kind:name`` if not.

    So a closure may hold the same name as a wheel and as a conda package.
    """
    return project if kind == "pypi" else f"{kind}:{project}"


def read_node(text: str) -> tuple[Kind, str]:
    """Return kind and project of what ``node_of`` returns, or of what a person calls a project, ``conda:name``.

    Raises ``BadInputError`` for a name that its kind does not allow.
    """
    start, colon, rest = text.strip().partition(":")
    kind: Kind = "conda" if colon and start.lower() == "conda" else "pypi"
    return kind, normalize_project(kind, rest if kind == "conda" else text.strip())


def spec_name(spec: str) -> str:
    """Return the name that a conda match spec (CEP 29) begins with, after its channel if it has one; "" without."""
    found = _SPEC_NAME.match(spec.strip())
    return found[1].lower() if found else ""


class Artifact(Record):
    """One file of one release.

    ``index`` holds what the source's index says of the file under the index's own key names (for a Python index
    ``requires-python``, and ``core-metadata``: the METADATA's sha256, PEP 658); the kind's door reads it, and of the
    rules the one on a project's status. ``size`` is in bytes. Source that is ``build_only`` is for the runner, and no
    door shows it. ``built`` is the sha256 of the source that the runner made this file from: no source has it. Then
    ``recipe`` names what a request wanted it built with beside that (``Extra.recipe``), and ``built_with`` the releases
    that it was built against and runs with.
    """

    kind: Kind = "pypi"
    source: Slug
    project: NormalName
    release: str
    filename: Annotated[str, StringConstraints(pattern=r"^[^\s/\\\x00-\x1f]+$", max_length=300)]
    path: UpstreamPath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    uploaded: Moment | None = None
    yanked: str | None = None
    index: Mapping[str, str] = {}
    build_only: bool = False
    built: Sha256 | None = None
    recipe: Sha256 | None = None
    built_with: Mapping[ProjectName, str] = {}

    @property
    def purl(self) -> str:
        """Return the package URL of this file."""
        if self.kind == "conda":
            return conda_purl(self.source, self.path, self.project, self.release)
        return purl(self.kind, self.project, self.release, self.filename)

    @property
    def node(self) -> str:
        """Return what edges call this artifact's project, see ``node_of``."""
        return node_of(self.kind, self.project)

    @property
    def name(self) -> str:
        """Return ``project release``, for people; the project as ``node``."""
        return f"{self.node} {self.release}"


class Newest(Record):
    """The newest release of a project that its source offers, and since when."""

    release: str
    uploaded: Moment


class Edge(Record):
    """``project`` requires ``needs``; both are nodes of the closure, see ``node_of``."""

    project: ProjectName
    needs: ProjectName


class Build(Record):
    """What a wheel is to be made with from the source of ``project``, which has none for the target.

    ``requires`` is what its build system asks for (PEP 518), ``extra`` what the request names beside that, with the
    releases that the closure holds of it (``built_with``); ``artifacts`` is the answer to both: a closure of its own.
    ``variables`` and ``recipe`` are the request's, too, see ``Extra``.
    """

    project: ProjectName
    sdist: Sha256
    requires: tuple[str, ...]
    extra: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    recipe: Sha256 | None = None
    built_with: Mapping[ProjectName, str] = {}
    artifacts: tuple[Artifact, ...] = ()


class Closure(Record):
    """The resolved answer to one request on one target.

    ``direct`` are the requirements that were asked for, ``conda`` the match specs. ``resolve_before`` is the cut-off
    that makes the answer repeatable; ``resolver`` names tool and version. ``builds`` has one row for each artifact that
    is ``build_only``.
    """

    request: Sha256
    target: Target
    direct: tuple[str, ...]
    conda: tuple[str, ...] = ()
    resolver: str
    resolve_before: Moment | None = None
    artifacts: tuple[Artifact, ...]
    edges: tuple[Edge, ...] = ()
    builds: tuple[Build, ...] = ()

    @property
    def files(self) -> tuple[Artifact, ...]:
        """Return all that is inspected, judged and approved: the artifacts, and what wheels are built with."""
        found = {artifact.sha256: artifact for build in self.builds for artifact in build.artifacts}
        return (*self.artifacts, *(found[name] for name in sorted(found.keys() - {a.sha256 for a in self.artifacts})))

    def of(self, kind: Kind) -> tuple[Artifact, ...]:
        """Return the artifacts of one kind of source."""
        return tuple(artifact for artifact in self.artifacts if artifact.kind == kind)

    def asked(self) -> frozenset[tuple[Kind, str]]:
        """Return the kind and name of the projects that were asked for by name."""
        found: set[tuple[Kind, str]] = {("conda", name) for spec in self.conda if (name := spec_name(spec))}
        names = (match[0] for text in self.direct if (match := _LEADING_NAME.match(text)))
        return frozenset(found | {("pypi", normalize_project("pypi", name)) for name in names})

    def why(self, project: str) -> tuple[str, ...]:
        """Return one shortest chain of nodes from a direct requirement to the node ``project``, or nothing."""
        asked = {node_of(kind, name) for kind, name in self.asked()}
        needed_by: dict[str, list[str]] = {}
        for edge in self.edges:
            needed_by.setdefault(edge.needs, []).append(edge.project)
        frontier: deque[tuple[str, ...]] = deque([(project,)])
        seen = {project}
        while frontier:
            chain = frontier.popleft()
            if chain[0] in asked:
                return chain
            above = [name for name in needed_by.get(chain[0], ()) if name not in seen]
            seen.update(above)
            frontier.extend((name, *chain) for name in above)
        return ()
