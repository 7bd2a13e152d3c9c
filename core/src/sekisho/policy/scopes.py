"""A snapshot's approvals, sorted once for all doors: a door costs what is asked of it, and a refusal next to nothing.

What one change of the policy leaves alone is taken over from the snapshot before. So a change costs what it touches,
and for everything else one look at whether it is the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from urllib.parse import unquote
from weakref import ref

from sekisho.allowlist import SignedApproval
from sekisho.model import Artifact, Kind, Slug
from sekisho.sources import Ownership, Source

Row = tuple[SignedApproval, tuple[int, ...]]
"""An approval, and since which sequence each of its artifacts has been admitted."""

Key = tuple[Kind, str]
"""Kind and name of a project."""

_Where = dict[str, tuple[Key, ...]]


class Project:
    """Every approval that names a file of a project, in the order of the snapshot."""

    def __init__(self, key: Key, rows: Sequence[Row]) -> None:
        self.key = key
        self.rows = tuple(rows)

    @property
    def artifacts(self) -> Iterable[tuple[SignedApproval, Artifact]]:
        """Return the files of the project that approvals name; one may be there several times."""
        return ((signed, one) for signed, _ in self.rows for one in signed.approval.artifacts if _key(one) == self.key)

    @cached_property
    def at_paths(self) -> Mapping[str, Sequence[tuple[SignedApproval, Artifact]]]:
        """Return the files by percent-decoded path."""
        found: dict[str, list[tuple[SignedApproval, Artifact]]] = {}
        for signed, artifact in self.artifacts:
            found.setdefault(unquote(artifact.path), []).append((signed, artifact))
        return found

    @cached_property
    def sources(self) -> frozenset[Slug]:
        """Return the sources of all files."""
        return frozenset(artifact.source for _, artifact in self.artifacts)

    @cached_property
    def releases(self) -> Mapping[str, frozenset[Slug]]:
        """Return the sources of each release."""
        found: dict[str, frozenset[Slug]] = {}
        for _, artifact in self.artifacts:
            known = found.get(artifact.release, frozenset())
            found[artifact.release] = known if artifact.source in known else known | {artifact.source}
        return found


class Scopes:
    """Which approvals each project and workspace has. ``before`` are those of the snapshot before, if there was one."""

    def __init__(self, rows: Iterable[Row], sources: Iterable[Source], *, before: "Scopes | None" = None) -> None:
        self.rows = tuple(rows)
        sources = tuple(sources)
        same = before is not None and before.ownership.sources == sources
        self.ownership: Ownership = before.ownership if before and same else Ownership(sources)
        self._projects: dict[Key, Project] = {}
        self._hashes: _Where = {}
        self._paths: dict[Kind, _Where] = {}
        self._workspaces: Counter[Slug] = Counter()
        self._before: ref[Scopes] | None = None
        self._changed: frozenset[Key] = frozenset()
        change = _difference(before.rows, self.rows) if before else None
        if before is None or change is None:
            self._take((), self.rows)
        else:
            self._projects, self._hashes = dict(before._projects), dict(before._hashes)  # noqa: SLF001
            self._paths = {kind: dict(where) for kind, where in before._paths.items()}  # noqa: SLF001
            self._workspaces = before._workspaces.copy()  # noqa: SLF001
            touched = self._take(*change)
            if same:
                self._before, self._changed = ref(before), touched

    def changed_since(self, other: "Scopes") -> frozenset[Key] | None:
        """Return the projects of which something is other than in ``other``; ``None`` is that any may be."""
        return self._changed if self._before and self._before() is other else None

    def project(self, kind: Kind, name: str) -> Project | None:
        """Return a project of which something was approved."""
        return self._projects.get((kind, name))

    def names(self, kind: Kind, workspace: Slug) -> tuple[str, ...]:
        """Return every name of which anything was approved for a workspace."""
        return tuple(
            name
            for (of, name), project in self._projects.items()
            if of == kind and any(workspace in signed.approval.scope for signed, _ in project.rows)
        )

    def all_names(self, kind: Kind) -> frozenset[str]:
        """Return every name of which anything was approved for anybody."""
        return frozenset(name for of, name in self._projects if of == kind)

    def holders(self, sha256: str) -> tuple[Key, ...]:
        """Return the projects of which these bytes are a file."""
        return self._hashes.get(sha256, ())

    def at_path(self, kind: Kind, path: str) -> tuple[Artifact, ...]:
        """Return the artifacts at a percent-decoded path, which two sources may share: the newest approval's first."""
        keys = self._paths.get(kind, {}).get(path, ())
        found = [pair for key in keys for pair in self._projects[key].at_paths[path]]
        if len(keys) > 1:
            places = {id(signed): place for place, (signed, _) in enumerate(self.rows)}
            found.sort(key=lambda pair: places[id(pair[0])])
        found.sort(key=lambda pair: pair[0].approval.at, reverse=True)
        return tuple(artifact for _, artifact in found)

    @property
    def channels(self) -> frozenset[Slug]:
        """Return the channels of which something was approved."""
        projects = (project.sources for (kind, _), project in self._projects.items() if kind == "conda")
        return frozenset[Slug]().union(*projects)

    def knows(self, workspace: Slug) -> bool:
        """Tell whether anything was approved for a workspace."""
        return self._workspaces[workspace] > 0

    def releases(self, kind: Kind, project: str, source: Slug | None = None) -> frozenset[str]:
        """Return the releases of which anybody has a file, of one source if any is named."""
        known = self.project(kind, project)
        found = known.releases if known else {}
        return frozenset(release for release, sources in found.items() if source is None or source in sources)

    def _take(self, gone: Sequence[Row], come: Sequence[Row]) -> frozenset[Key]:
        """Take rows out and others in; return the projects that they are of."""
        for rows, step in ((gone, -1), (come, 1)):
            for signed, _ in rows:
                for workspace in set(signed.approval.scope):
                    self._workspaces[workspace] += step
        lost, new = _by_project(gone), _by_project(come)
        places = {id(signed): place for place, (signed, _) in enumerate(self.rows)} if self._projects else {}
        for key in lost.keys() | new.keys():
            old = self._projects.pop(key, None)
            out = {id(signed) for signed, _ in lost.get(key, ())}
            rows = [row for row in old.rows if id(row[0]) not in out] if old else []
            rows += new.get(key, ())
            if old:
                rows.sort(key=lambda row: places[id(row[0])])
            project = Project(key, rows)
            if rows:
                self._projects[key] = project
            self._turn(old or Project(key, ()), project)
        return frozenset(lost.keys() | new.keys())

    def _turn(self, old: Project, new: Project) -> None:
        """Let the files of a project be found where they are now."""
        hashes = [{artifact.sha256 for _, artifact in one.artifacts} for one in (old, new)]
        paths = [{unquote(artifact.path) for _, artifact in one.artifacts} for one in (old, new)]
        of_kind = self._paths.setdefault(new.key[0], {})
        for where, (was, now) in ((self._hashes, hashes), (of_kind, paths)):
            alone = (new.key,)
            for text in was - now:
                left = tuple(key for key in where[text] if key != new.key)
                if left:
                    where[text] = left
                else:
                    del where[text]
            for text in now - was:
                others = where.get(text)
                where[text] = tuple(sorted((*others, new.key))) if others else alone


def _key(artifact: Artifact) -> Key:
    return artifact.kind, artifact.project


def _by_project(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        for key in dict.fromkeys(map(_key, row[0].approval.artifacts)):
            found.setdefault(key, []).append(row)
    return found


def _difference(old: Sequence[Row], new: Sequence[Row]) -> tuple[list[Row], list[Row]] | None:
    """Return what is gone and what has come; nothing where what stays is not in the same order, or there twice."""
    before = {id(signed): numbers for signed, numbers in old}
    stays = {id(signed) for signed, numbers in new if before.get(id(signed)) == numbers}
    come = [row for row in new if id(row[0]) not in stays]
    gone = [row for row in old if id(row[0]) not in stays]
    in_order = [id(signed) for signed, _ in old if id(signed) in stays]
    if len(before) < len(old) or in_order != [id(signed) for signed, _ in new if id(signed) in stays]:
        return None
    return gone, come
