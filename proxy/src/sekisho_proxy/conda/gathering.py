"""From runs to pieces: what is one name's is put together, and what did not change stays what it was."""

import hashlib
from collections.abc import Iterator

from sekisho.conda_name import is_name
from sekisho_proxy.conda.catalogue import Catalogue, Growing, Piece, digest_of
from sekisho_proxy.conda.entire import LARGEST_NAME, MOST_OF_A_NAME, MOST_RECORDS
from sekisho_proxy.conda.members import OddError, members_of
from sekisho_proxy.conda.outline import Outline, Run, Runs
from sekisho_proxy.conda.stated import MOST_NAMES
from sekisho_proxy.conda.top import SECTIONS

_Spans = list[Run | int]
_NOTHING = Run("", 0, 0, 0, b"")


class Gathered:
    """The pieces of all names; of those that changed, what their new files are known by; and the outline.

    Raises ``OddError`` for what only a reader of all may judge.
    """

    def __init__(
        self, spans: dict[str, _Spans], known: Outline | None, old: Catalogue | None, growing: Growing
    ) -> None:
        self._growing = growing
        before = old.names if old and known else {}
        known = known or Outline(Runs(), Runs())
        self._known = dict(zip(SECTIONS, (known.old, known.new), strict=True))
        self._touched = {name for section in SECTIONS for name in _touched(spans[section], self._known[section])}
        self.outline = Outline(Runs(), Runs())
        parts = [self._parts(section, spans[section]) for section in SECTIONS]
        self.names: dict[str, Piece] = {}
        self.changed: dict[str, bytes] = {}
        of_old = {} if old is None else old.names
        for name in dict.fromkeys((*self.outline.old.names, *self.outline.new.names)):
            if name not in self._touched:
                self.names[name] = before[name]
                continue
            first, second = (part.get(name, _NOTHING) for part in parts)
            if first.records + second.records > MOST_OF_A_NAME or first.length + second.length > LARGEST_NAME:
                raise OddError
            if name not in before and not is_name(name):
                raise OddError
            digest = digest_of(first.digest, second.digest)
            self.names[name] = Piece(digest, first.offset, first.length, second.offset, second.length)
            if name not in of_old or of_old[name].digest != digest:
                self.changed[name] = first.hashes + second.hashes
        self.records = sum(self.outline.old.counts) + sum(self.outline.new.counts)
        if len(self.names) > MOST_NAMES or self.records > MOST_RECORDS:
            raise OddError

    def _parts(self, section: str, spans: _Spans) -> dict[str, Run]:
        """Return what of touched names is in a section; its outline is made of that."""
        known, outline = self._known[section], self.outline.old if section == SECTIONS[0] else self.outline.new
        found: dict[str, list[Run]] = {}
        begin = end = 0
        for run in (*self._joined(known, spans), None):
            if isinstance(run, int) and run == end:
                end += 1
                continue
            outline.extend(known, begin, end)
            begin = end = 0
            if isinstance(run, int):
                begin, end = run, run + 1
            elif run is not None:
                outline.add(run)
                found.setdefault(run.name, []).append(run)
        return {name: runs[0] if len(runs) == 1 else self._one(runs) for name, runs in found.items()}

    def _joined(self, known: Runs, spans: _Spans) -> Iterator[Run | int]:
        """Yield the numbers of known runs of untouched names, and the runs of others: of neighbours one is made."""
        names, touched = known.names, self._touched
        near: list[Run] = []
        for span in spans:
            if isinstance(span, int) and names[span] not in touched:
                if near:
                    yield self._one(near)
                    near = []
                yield span
                continue
            run = known.run(span) if isinstance(span, int) else span
            if near and near[0].name != run.name:
                yield self._one(near)
                near = []
            near.append(run)
        if near:
            yield self._one(near)

    def _one(self, runs: list[Run]) -> Run:
        """Return one run of the members of several, which are no two of the same file."""
        if len(runs) == 1:
            return runs[0]
        if sum(run.length for run in runs) > LARGEST_NAME:
            raise OddError
        text = b",".join(self._text(run) for run in runs)
        records = len(members_of(text))
        is_there = self._growing.read(runs[0].offset, len(text)) == text
        offset = runs[0].offset if is_there else self._growing.append(text)
        hashes = b"".join(run.hashes for run in runs)
        return Run(runs[0].name, offset, len(text), records, hashlib.sha256(text).digest(), hashes)

    def _text(self, run: Run) -> bytes:
        text = self._growing.read(run.offset, run.length)
        if hashlib.sha256(text).digest() != run.digest:
            raise OddError
        return text


def _touched(spans: _Spans, known: Runs) -> Iterator[str]:
    """Yield the names of which there is anything new, or something not any more."""
    gone = set(range(len(known.names)))
    for span in spans:
        if isinstance(span, int):
            gone.remove(span)
        else:
            yield span.name
    for number in gone:
        yield known.names[number]
