"""Candidates without what changes no answer: for questions that are asked a hundred times over.

A file that needs something which no candidate has is never chosen. Of files of one name that need the same, and are
what the same specs ask for, the highest stands for all. Which names cannot be done without is read off what is left,
as far as it follows from what every file that counts needs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

from rattler import MatchSpec
from rattler.exceptions import InvalidMatchSpecError

from sekisho_builder.conda.candidate import Candidate, Counts

_VIRTUAL = "__"
_Need = tuple[str, int]
"""A name and the bit of a spec on it."""


class Reduced:
    """Candidates by name, each with the specs that ask for it as bits of a number; ``asked`` are the direct specs."""

    def __init__(self, candidates: Sequence[Candidate], asked: Iterable[str]) -> None:
        self._bits: dict[str, dict[str, int]] = {}
        self._parsed: dict[str, MatchSpec | None] = {}
        self._asked = [need for text in asked if (need := self._need(text))]
        self._needs = {row.path: self._all(row.record.depends) for row in candidates}
        bounds = {row.path: self._all(row.record.constrains) for row in candidates}
        by_name: dict[str, list[Candidate]] = {}
        for row in candidates:
            by_name.setdefault(row.name, []).append(row)
        self._masks = {row.path: mask for name, rows in by_name.items() for row, mask in self._masked(name, rows)}
        alive = self._possible(by_name)
        self._classes: dict[str, list[list[Candidate]]] = {}
        for name, rows in alive.items():
            classes: dict[object, list[Candidate]] = {}
            for row in sorted(rows, key=lambda row: row.record, reverse=True):
                key = (frozenset(self._needs[row.path]), frozenset(bounds[row.path]), self._masks[row.path])
                classes.setdefault(key, []).append(row)
            self._classes[name] = list(classes.values())

    def _need(self, text: str) -> _Need | None:
        """Return a spec as the bit that it is of its name; nothing for what no candidate can be."""
        if text not in self._parsed:
            try:
                self._parsed[text] = MatchSpec(text)
            except InvalidMatchSpecError:
                self._parsed[text] = None
        spec = self._parsed[text]
        if spec is None or spec.name is None or (name := spec.name.normalized) is None or name.startswith(_VIRTUAL):
            return None
        bits = self._bits.setdefault(name, {})
        return name, bits.setdefault(text, 1 << len(bits))

    def _all(self, texts: Iterable[str]) -> tuple[_Need, ...]:
        return tuple(need for text in texts if (need := self._need(text)))

    def _masked(self, name: str, rows: Sequence[Candidate]) -> Iterator[tuple[Candidate, int]]:
        bits = [(self._parsed[text], bit) for text, bit in self._bits.get(name, {}).items()]
        tests = [(spec.matches, bit) for spec, bit in bits if spec is not None]
        for row in rows:
            record = row.record
            yield row, sum(bit for matches, bit in tests if matches(record))

    def _possible(self, rows: Mapping[str, list[Candidate]]) -> dict[str, list[Candidate]]:
        """Leave out, again and again, what needs something that is no longer there."""
        left = dict(rows)
        while True:
            there = {name: reduce(or_, (self._masks[row.path] for row in some), 0) for name, some in left.items()}
            kept = {
                name: [row for row in some if all(there.get(of, 0) & bit for of, bit in self._needs[row.path])]
                for name, some in left.items()
            }
            if all(len(kept[name]) == len(some) for name, some in left.items()):
                return kept
            left = kept

    def standing(self, counts: Counts, paid: frozenset[str], kept: Iterable[Candidate]) -> Iterator[Candidate]:
        """Yield what stands for all that ``counts``: the highest of each class that is paid, and that is not.

        What is ``kept`` stands for itself.
        """
        found = {row.path: row for row in kept}
        for classes in self._classes.values():
            for some in classes:
                first: dict[bool, Candidate] = {}
                for row in some:
                    if counts(row):
                        first.setdefault(row.path in paid, row)
                        if len(first) == len((True, False)):
                            break
                found |= {row.path: row for row in first.values()}
        yield from found.values()

    def forced(self, counts: Counts, paid: frozenset[str]) -> list[str]:
        """Return names of which something ``paid`` is in every answer; there may be more."""
        wanted: dict[str, list[int]] = {}
        for name, bit in self._asked:
            wanted.setdefault(name, []).append(bit)
        seen: dict[str, list[Candidate]] = {}
        left = list(wanted)
        while left:
            name = left.pop()
            rows = [
                row for row in self._rows(name, counts) if all(self._masks[row.path] & any_ for any_ in wanted[name])
            ]
            if name in seen and len(rows) == len(seen[name]):
                continue
            seen[name] = rows
            for other, bits in self._common(rows):
                if bits not in wanted.setdefault(other, []):
                    wanted[other].append(bits)
                    left.append(other)
        return sorted(name for name, rows in seen.items() if rows and all(row.path in paid for row in rows))

    def _rows(self, name: str, counts: Counts) -> Iterator[Candidate]:
        return (row for some in self._classes.get(name, ()) for row in some if counts(row))

    def _common(self, rows: Sequence[Candidate]) -> Iterator[tuple[str, int]]:
        """Yield the names that all of some files need, with the bits of the specs that they need them by."""
        if not rows:
            return
        needs = [dict[str, int]() for _ in rows]
        for found, row in zip(needs, rows, strict=True):
            for name, bit in self._needs[row.path]:
                found[name] = found.get(name, 0) | bit
        for name in set(needs[0]).intersection(*needs[1:]):
            yield name, reduce(or_, (found[name] for found in needs))
