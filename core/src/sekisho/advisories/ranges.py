"""Which releases a range holds, in the order of their kind (PEP 440 for an index), and that found by bisection."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from packaging.version import Version

from sekisho.advisories.record import Range

_ORDER = {"introduced": 0, "limit": 1, "fixed": 1, "last_affected": 2}


@lru_cache(maxsize=65536)
def version_of(kind: str, text: str) -> Any:  # noqa: ANN401 (a kind's own ordered value)
    """Return what orders releases of ``kind``, or ``None`` where nobody knows how to compare them."""
    if kind != "pypi":
        return None
    try:
        return Version(text)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return None


def comparable(kind: str, text: str) -> bool:
    """Tell whether releases of ``kind`` can be compared with ``text``."""
    return version_of(kind, text) is not None


def spans(kind: str, events: Iterable[tuple[str, str]]) -> Iterator[Range]:
    """Turn the events of one OSV range into spans (OSV schema, "Evaluation"): sorted, they open and close.

    ``introduced: 0`` is before everything. Two that open in a row are one; a close without an open says nothing.
    """
    rows = [(text != "0", version_of(kind, text), _ORDER.get(key, 9), key, text) for key, text in events]
    known = [row for row in rows if row[2] != 9 and row[3] != "limit"]
    known.sort(key=lambda row: (row[0], row[1], row[2]) if row[0] else (False,))
    start: str | None = None
    is_open = False
    for later, _, _, key, text in known:
        if key == "introduced":
            if not is_open:
                start, is_open = (text if later else None), True
        elif is_open:
            yield Range(start, text, upto=key == "last_affected")
            is_open = False
    if is_open:
        yield Range(start, None)


class Spans(NamedTuple):
    """Many spans, cut at all their ends.

    ``inside[2 i + 1]`` lists those that hold cut ``i`` itself, ``inside[2 i]`` those that hold the gap before it.
    """

    cuts: tuple[Any, ...]
    inside: tuple[tuple[int, ...], ...]

    def at(self, version: Any) -> tuple[int, ...]:  # noqa: ANN401 (a kind's own ordered value)
        """Return the numbers of all spans that hold ``version``."""
        found = bisect_left(self.cuts, version)
        hit = found < len(self.cuts) and self.cuts[found] == version
        return self.inside[2 * found + hit]


def cut(kind: str, ranges: Sequence[tuple[int, Range]]) -> Spans:
    """Prepare numbered ranges, all of whose ends are comparable."""
    ends = [(number, *_bounds(kind, found), found.upto) for number, found in ranges]
    cuts = tuple(sorted({version for _, start, end, _ in ends for version in (start, end) if version is not None}))
    inside: list[set[int]] = [set() for _ in range(2 * len(cuts) + 1)]
    for number, start, end, upto in ends:
        first = 0 if start is None else 2 * bisect_left(cuts, start) + 1
        last = len(inside) if end is None else 2 * (bisect_right(cuts, end) - 1) + 1 + upto
        for slot in range(first, last):
            inside[slot].add(number)
    return Spans(cuts, tuple(tuple(sorted(numbers)) for numbers in inside))


def _bounds(kind: str, found: Range) -> tuple[Any, Any]:
    start = None if found.start is None else version_of(kind, found.start)
    return start, None if found.end is None else version_of(kind, found.end)
