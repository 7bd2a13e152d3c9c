"""The index of advisories: built once from records, kept as compact JSON, asked in microseconds.

A project's ranges are cut and sorted when it is first asked about; what nobody asks about costs nothing.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from sekisho.advisories.ranges import Spans, cut, version_of
from sekisho.advisories.record import Advisory, Affected, Hit, Range
from sekisho.errors import CorruptError

_FORMAT = 1
_MALICIOUS, _EXPLOITED = 1, 2
_MOST_REMEMBERED = 100_000
_SHORT = 80


class _Project(NamedTuple):
    """One project, ready to be asked: parts by number, versions by name, spans by order."""

    parts: tuple[Affected, ...]
    named: Mapping[Any, tuple[int, ...]]
    spans: Spans
    vague: tuple[int, ...]


class AdvisoryIndex:
    """What is known against releases of the kinds it ``covers``. It never changes; it only remembers answers.

    ``affected`` and ``files`` name advisories by their place in ``advisories``. ``feeds`` says of each feed in it when
    its data is of. ``names`` are the index's projects by the conda package that holds them.
    """

    def __init__(
        self,
        advisories: tuple[Advisory, ...],
        affected: Mapping[tuple[str, str], tuple[Affected, ...]],
        files: Mapping[str, int],
        *,
        covers: frozenset[str],
        feeds: Mapping[str, datetime],
        names: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.advisories = advisories
        self.covers_kinds = covers
        self.feeds = feeds
        self.names = names or {}
        self._holding: dict[str, tuple[str, ...]] | None = None
        self._affected = affected
        self._files = files
        self._ready: dict[tuple[str, str], _Project] = {}
        self._answers: dict[tuple[str, str, str], tuple[Hit, ...]] = {}

    def dated(self, feeds: Mapping[str, datetime]) -> Self:
        """Return the same with feeds of other dates, for what is not about their age."""
        return self._with(feeds=feeds, names=self.names)

    def named(self, names: Mapping[str, tuple[str, ...]]) -> Self:
        """Return the same, which also knows what conda packages are called in the index."""
        return self._with(feeds=self.feeds, names=names)

    def _with(self, *, feeds: Mapping[str, datetime], names: Mapping[str, tuple[str, ...]]) -> Self:
        return type(self)(
            self.advisories, self._affected, self._files, covers=self.covers_kinds, feeds=feeds, names=names
        )

    def known_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of all under which the data speaks of a project; where there is none it is unknown."""
        if kind in self.covers_kinds:
            return ((kind, project),)
        if kind == "conda" and "pypi" in self.covers_kinds:
            return tuple(("pypi", name) for name in self.names.get(project, ()))
        return ()

    def same_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of what holds a project of the index, or of what a conda package holds, by name."""
        if kind == "conda":
            return tuple(("pypi", name) for name in self.names.get(project, ()))
        if self._holding is None:
            self._holding = {}
            for conda, held in sorted(self.names.items()):
                for name in held:
                    self._holding[name] = (*self._holding.get(name, ()), conda)
        return tuple(("conda", name) for name in self._holding.get(project, ())) if kind == "pypi" else ()

    def reports(self) -> Self:
        """Return what is reported as malicious and nothing else, under one name each: small enough to travel.

        What conda packages are called in the index is kept of those alone that hold what is reported.
        """
        kept = [number for number, advisory in enumerate(self.advisories) if advisory.malicious]
        places = {number: place for place, number in enumerate(kept)}
        affected = {
            key: tuple(part._replace(advisory=places[part.advisory]) for part in parts if part.advisory in places)
            for key, parts in self._affected.items()
        }
        reported = {project for (kind, project), parts in affected.items() if kind == "pypi" and parts}
        names = {conda: tuple(one for one in held if one in reported) for conda, held in self.names.items()}
        return type(self)(
            tuple(Advisory((self.advisories[number].id,), malicious=True,
                           summary=self.advisories[number].summary[:_SHORT]) for number in kept),
            {key: parts for key, parts in affected.items() if parts},
            {sha256: places[number] for sha256, number in self._files.items() if number in places},
            covers=self.covers_kinds,
            feeds={name: at for name, at in self.feeds.items() if name == "osv"},
            names={conda: held for conda, held in names.items() if held},
        )  # fmt: skip

    def covers(self, kind: str) -> bool:
        """Tell whether the data speaks of ``kind`` at all; of any other nothing is known, and nothing is clean."""
        return kind in self.covers_kinds

    def projects(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of everything that an advisory concerns."""
        return tuple(sorted(self._affected))

    def affecting(self, kind: str, project: str, release: str) -> tuple[Hit, ...]:
        """Return what concerns ``release``, gravest first; nothing if nothing is known against it."""
        key = (kind, project)
        if key not in self._affected:
            return ()
        asked = (kind, project, release)
        answer = self._answers.get(asked)
        if answer is None:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[asked] = tuple(self._find(key, release))
        return answer

    def file(self, sha256: str) -> Advisory | None:
        """Return the report that names this very file as malicious."""
        number = self._files.get(sha256)
        return None if number is None else self.advisories[number]

    def concerned(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, project) of everything that the advisory of this name concerns, by any of its names."""
        wanted = {number for number, advisory in enumerate(self.advisories) if name in advisory.names}
        found = {key for key, parts in self._affected.items() if any(part.advisory in wanted for part in parts)}
        holding = {("conda", held) for held in self.names if not found.isdisjoint(self.known_as("conda", held))}
        return tuple(sorted(found | holding))

    def _find(self, key: tuple[str, str], release: str) -> Iterator[Hit]:
        project = self._ready.get(key)
        if project is None:
            project = self._ready[key] = _prepare(key[0], self._affected[key])
        certain: set[int] = set()
        maybe: set[int] = set(project.vague)
        version = version_of(key[0], release)
        if version is None:
            certain.update(project.named.get(release, ()))
            maybe.update(number for number, part in enumerate(project.parts) if part.ranges)
        else:
            for one in _same(version):
                certain.update(project.named.get(one, ()))
                certain.update(project.spans.at(one))
        yield from self._hits(project, certain, maybe - certain)

    def _hits(self, project: _Project, certain: set[int], maybe: set[int]) -> Iterator[Hit]:
        found: dict[int, Hit] = {}
        for number in (*sorted(certain), *sorted(maybe)):
            part = project.parts[number]
            before = found.get(part.advisory)
            fixed = (*(before.fixed if before else ()), *part.fixed)
            sure = number in certain or bool(before and before.certain)
            found[part.advisory] = Hit(self.advisories[part.advisory], tuple(dict.fromkeys(fixed)), sure)
        yield from sorted(found.values(), key=gravity, reverse=True)

    def dump(self) -> bytes:
        """Return the index as compact JSON, for other processes."""
        return json.dumps(
            {
                "format": _FORMAT,
                "covers": sorted(self.covers_kinds),
                "feeds": {name: at.isoformat() for name, at in sorted(self.feeds.items())},
                "advisories": [_pack(advisory) for advisory in self.advisories],
                "affected": [[*key, [list(part) for part in parts]] for key, parts in sorted(self._affected.items())],
                "files": dict(sorted(self._files.items())),
                "names": {name: list(projects) for name, projects in sorted(self.names.items())},
            },
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()

    @classmethod
    def load(cls, data: bytes, *, where: str) -> Self:
        """Read what ``dump`` wrote; raise ``CorruptError`` for anything else."""
        try:
            return cls._load(json.loads(data))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptError(
                f"not an index of advisories: {type(error).__name__}: {str(error)[:200]}",
                where=where,
                todo="import the advisories again",
            ) from error

    @classmethod
    def _load(cls, value: dict[str, Any]) -> Self:
        if value["format"] != _FORMAT:
            message = f"format {value['format']!r}, not {_FORMAT}"
            raise ValueError(message)
        advisories = tuple(map(_unpack, value["advisories"]))
        affected = {
            (kind, project): tuple(
                Affected(number, versions, tuple(Range(*found) for found in ranges), tuple(fixed), vague)
                for number, versions, ranges, fixed, vague in parts
            )
            for kind, project, parts in value["affected"]
        }
        numbers = {part.advisory for parts in affected.values() for part in parts} | set(value["files"].values())
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(advisories):
            message = "it names an advisory that it does not have"
            raise ValueError(message)
        feeds = {name: datetime.fromisoformat(at) for name, at in value["feeds"].items()}
        names = {name: tuple(projects) for name, projects in value.get("names", {}).items()}
        return cls(advisories, affected, value["files"], covers=frozenset(value["covers"]), feeds=feeds, names=names)


def _prepare(kind: str, parts: tuple[Affected, ...]) -> _Project:
    named: dict[Any, tuple[int, ...]] = {}
    for number, part in enumerate(parts):
        for text in part.versions.split():
            version = version_of(kind, text)
            key = text if version is None else version
            named[key] = (*named.get(key, ()), number)
    ranges = [(number, found) for number, part in enumerate(parts) for found in part.ranges]
    vague = tuple(number for number, part in enumerate(parts) if part.vague)
    return _Project(parts, named, cut(kind, ranges), vague)


def _same(version: Any) -> Iterator[Any]:  # noqa: ANN401 (a kind's own ordered value)
    """Yield a release and, if it is somebody's own build of one (PEP 440, "Local version identifiers"), that one."""
    yield version
    if version.local is not None:
        yield version_of("pypi", version.public)


def gravity(hit: Hit) -> tuple[bool, bool, int, str]:
    """Return what orders hits, the gravest last."""
    advisory = hit.advisory
    return advisory.malicious, advisory.exploited, -1 if advisory.score is None else advisory.score, advisory.id


def _pack(advisory: Advisory) -> list[Any]:
    flags = _MALICIOUS * advisory.malicious + _EXPLOITED * advisory.exploited
    return [list(advisory.names), advisory.score, flags, advisory.epss, advisory.summary]


def _unpack(row: list[Any]) -> Advisory:
    names, score, flags, epss, summary = row
    return Advisory(tuple(names), score, bool(flags & _MALICIOUS), bool(flags & _EXPLOITED), epss, summary)
