"""Versions of conda packages and their order (CEP 33), and what a match spec says of a version (CEP 29)."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, total_ordering
from itertools import zip_longest
from typing import NamedTuple

_LITERAL = re.compile(r"(?:([0-9]+)!)?([A-Za-z0-9._-]+)(?:\+([A-Za-z0-9._-]+))?", re.ASCII)
_RUNS = re.compile(r"[0-9]+|[^0-9]+")
_SEPARATORS = re.compile(r"[._-]")
_LONGEST = 500
_DEEPEST = 8
"""Brackets in brackets of a version spec."""

_DEV, _TEXT, _NUMBER, _POST = range(4)
_Part = tuple[int, int, str]
_Segment = tuple[_Part, ...]
_ZERO: _Part = (_NUMBER, 0, "")


@total_ordering
class CondaVersion:
    """A version, compared as CEP 33 says: ``1.1`` equals ``1.1.0``, and text comes before numbers, so ``1.1a`` first.

    A number may be of any size, as dates in use are beyond what the CEP allows.
    """

    __slots__ = ("local", "main", "text")

    def __init__(self, text: str) -> None:
        """Read a version; raise ``ValueError`` for what is none."""
        found = _LITERAL.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None:
            raise ValueError(f"{text[:80]!r} is no version of a conda package")
        epoch, main, local = found.groups()
        self.text = text
        self.main: tuple[_Segment, ...] = ((_part(epoch or "0"),), *_segments(main.lower(), text))
        self.local: tuple[_Segment, ...] = tuple(_segments(local.lower(), text)) if local else ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaVersion) and self._order(other) == 0

    def __lt__(self, other: "CondaVersion") -> bool:
        return self._order(other) < 0

    def __hash__(self) -> int:
        return hash((_trimmed(self.main), _trimmed(self.local)))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"CondaVersion({self.text!r})"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the epoch, and the number that each segment begins with."""
        return tuple(segment[0][1] for segment in self.main)

    @property
    def is_early(self) -> bool:
        """Tell whether there is text in it that comes before a number, as in ``2.0rc1``."""
        return any(part[0] in {_DEV, _TEXT} for segment in self.main for part in segment)

    def _order(self, other: "CondaVersion") -> int:
        return _compared(self.main, other.main) or _compared(self.local, other.local)

    def starts_with(self, prefix: "CondaVersion") -> bool:
        """Tell whether this is ``prefix.*``: all of its segments are equal, the last one as far as it goes."""
        if prefix.local:
            mine, theirs = self.local, prefix.local
            if _compared(self.main, prefix.main):
                return False
        else:
            mine, theirs = self.main, prefix.main
        last = len(theirs) - 1
        if _compared(mine[:last], theirs[:last]):
            return False
        own, wanted = mine[last] if len(mine) > last else (), theirs[last]
        end = len(wanted) - 1
        if _compared((own[:end],), (wanted[:end],)):
            return False
        return (own[end] if len(own) > end else _ZERO) == wanted[end]

    def without_last(self) -> "CondaVersion":
        """Return the version without its last segment, as ``~=`` needs it: of ``1`` only the epoch is left."""
        shorter = CondaVersion("0")
        shorter.main = self.main[:-1]
        shorter.text = f"{self.text} without its last segment"
        return shorter


def _segments(text: str, whole: str) -> Iterator[_Segment]:
    """Yield the segments of a main or local part; an underscore at the end belongs to the text before it."""
    trailing = "_" if text[-1] in "_-" else ""
    pieces = _SEPARATORS.split(text[: -len(trailing) or None])
    pieces[-1] += trailing
    for piece in pieces:
        if not piece:
            raise ValueError(f"{whole[:80]!r} has an empty segment")
        parts = tuple(map(_part, _RUNS.findall(piece)))
        yield parts if piece[0].isdigit() else (_ZERO, *parts)


def _part(run: str) -> _Part:
    if run.isdigit():
        return _NUMBER, int(run), ""
    return {"dev": (_DEV, 0, ""), "post": (_POST, 0, "")}.get(run, (_TEXT, 0, run))


def _compared(mine: Sequence[_Segment], theirs: Sequence[_Segment]) -> int:
    """Return -1, 0 or 1; a part that one side lacks is 0."""
    for own, other in zip_longest(mine, theirs, fillvalue=()):
        for left, right in zip_longest(own, other, fillvalue=_ZERO):
            if left != right:
                return -1 if left < right else 1
    return 0


def _trimmed(segments: Sequence[_Segment]) -> tuple[_Segment, ...]:
    """Return segments without the zeros that make no difference."""
    rows = [list(segment) for segment in segments]
    for row in rows:
        while row and row[-1] == _ZERO:
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return tuple(map(tuple, rows))


@lru_cache(maxsize=100_000)
def conda_version(text: str) -> CondaVersion:
    """Read a version, or remember it; raise ``ValueError`` for what is none."""
    return CondaVersion(text)


def glob_matches(pattern: str, text: str) -> bool:
    """Tell whether ``text`` is ``pattern``, in which ``*`` is anything; case counts for nothing. Takes linear time."""
    first, *others = pattern.lower().split("*")
    rest = text.lower()
    if not others:
        return rest == first
    if not rest.startswith(first):
        return False
    rest = rest[len(first) :]
    *middle, last = others
    for piece in middle:
        _, found, rest = rest.partition(piece) if piece else ("", "*", rest)
        if not found:
            return False
    return rest.endswith(last)


_COMPARING: dict[str, Callable[[CondaVersion, CondaVersion], bool]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "=": lambda one, other: one.starts_with(other),
    "!=*": lambda one, other: not one.starts_with(other),
}
_CLAUSE = re.compile(r"(==|!=|<=|>=|~=|<|>|=)?([A-Za-z0-9._!+*-]+)", re.ASCII)


class _Clause(NamedTuple):
    """One comparison; ``glob`` where it is of text, as with ``1.*.3``."""

    operator: str
    version: CondaVersion | None
    glob: str = ""

    def holds(self, text: str) -> bool:
        if self.version is None:
            return glob_matches(self.glob, text) is not (self.operator == "!=")
        found = conda_version(text)
        if self.operator == "~=":
            return found >= self.version and found.starts_with(self.version.without_last())
        return _COMPARING[self.operator](found, self.version)


class VersionSpec:
    """What a match spec says of a version: clauses, joined by ``,`` (and, which binds more) and ``|`` (or).

    A regular expression is not read: what a channel states would run as a program here.
    """

    __slots__ = ("_any", "text")

    def __init__(self, text: str) -> None:
        """Read a version spec; raise ``ValueError`` for what is none."""
        self.text = "".join(text.split())
        if len(text) > _LONGEST:
            raise ValueError(f"{text[:80]!r} is too long for a version spec")
        self._any, rest = _alternatives(self.text, 0)
        if rest:
            raise ValueError(f"{text[:80]!r} cannot be read from {rest[:20]!r} on")

    def __str__(self) -> str:
        return self.text

    def contains(self, version: str) -> bool:
        """Tell whether a version fits; one that cannot be read fits nothing but ``*``."""
        try:
            return _holds(self._any, version)
        except ValueError:
            return False


_Group = tuple[tuple["_Clause | _Group", ...], ...]
"""Any of these, of which all must hold."""


def _holds(group: _Group, version: str) -> bool:
    return any(
        all(one.holds(version) if isinstance(one, _Clause) else _holds(one, version) for one in every)
        for every in group
    )


def _alternatives(text: str, depth: int) -> tuple[_Group, str]:
    """Return what the beginning of ``text`` says, up to its end or a bracket that was opened before, and the rest."""
    found: list[tuple[_Clause | _Group, ...]] = []
    every: list[_Clause | _Group] = []
    while True:
        one: _Clause | _Group
        if text.startswith("("):
            if depth == _DEEPEST:
                raise ValueError("a version spec is nested too deep")
            one, text = _alternatives(text[1:], depth + 1)
            if not text.startswith(")"):
                raise ValueError("a version spec has a bracket that is not closed")
            text = text[1:]
        else:
            one, text = _clause(text)
        every.append(one)
        joint, text = text[:1], text[1:]
        if joint != ",":
            found.append(tuple(every))
            every = []
        if joint not in {",", "|"} or not joint:
            return tuple(found), joint + text


def _clause(text: str) -> tuple[_Clause, str]:
    found = _CLAUSE.match(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no version to compare with")
    return _read(found[1] or "", found[2]), text[found.end() :]


def _read(operator: str, literal: str) -> _Clause:
    """Return the clause; ``.*`` or ``*`` at the end makes a fuzzy one of ``1`` and ``=1``, and is nothing to others."""
    if literal == "*":
        return _Clause("", None, "*")
    plain = literal.removesuffix("*").removesuffix(".") if literal.endswith("*") else literal
    if "*" in plain:
        if operator not in {"", "=", "==", "!="}:
            raise ValueError(f"{operator}{literal} orders by something that is no version")
        return _Clause(operator, None, literal)
    if plain != literal and operator in {"", "="}:
        operator = "="
    elif plain != literal and operator == "!=":
        operator = "!=*"
    return _Clause(operator or "==", CondaVersion(plain))
