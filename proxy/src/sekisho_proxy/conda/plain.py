"""Reading repodata as nearly all of it is written: new text is proved, known text is only known again.

JSON says what a text means by where its reader stands (RFC 8259). Between two members of ``packages``, bytes that were
members of it before are the same members, and nothing else has to be asked of them. Where text is new a guess is made
how far it goes, and it is proved to be members; a wrong guess proves nothing. What is around the members is read with
one member of ours in their place, so that where they stand is known as well. Whatever cannot be proved is odd, and is
left to who reads all of it at once.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from sekisho.errors import CorruptError
from sekisho_proxy.conda.catalogue import Growing
from sekisho_proxy.conda.members import OddError, runs_of
from sekisho_proxy.conda.outline import Outline, Run, Runs
from sekisho_proxy.conda.top import SECTIONS, Top, read_top

_CHUNK, _NEAR, _LARGEST = 1 << 20, 1 << 18, 64 << 20
_LARGEST_REST = 16 << 20
_TRIED = 8
"""Known runs that are looked for, where what was expected does not come."""

_COMMA, _CLOSE = b",}"
_AFTER = re.compile(rb'\}\},"(?:packages|packages\.conda|removed|repodata_version|info)":')


class Plain(NamedTuple):
    """What was found: what is around the sections, and the runs of each; a number stands for a known run."""

    top: Top
    runs: dict[str, list[Run | int]]


class _Text:
    """A text that comes in pieces: ``data`` from ``at`` on is what is to be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.data, self.at, self.ended = b"", 0, False

    def more(self) -> bool:
        """Have another piece; false at the end."""
        piece = next(self._pieces, None)
        if piece is None:
            self.ended = True
            return False
        self.data, self.at = self.data[self.at :] + piece, 0
        return True

    def have(self, length: int) -> int:
        """Have that much, if there is; return where it ends."""
        while len(self.data) - self.at < length and self.more():
            pass
        return min(len(self.data), self.at + length)


def read_plain(pieces: Iterator[bytes], growing: Growing, known: Outline | None, where: str) -> Plain:
    """Read a text; raise ``OddError`` where that cannot be done so."""
    text, rest, mark = _Text(pieces), [], os.urandom(16).hex()
    runs: dict[str, list[Run | int]] = {section: [] for section in SECTIONS}
    left = list(SECTIONS)
    while True:
        part, section = _next_section(text, left)
        rest.append(part)
        if section is None:
            break
        left.remove(section)
        rest.append(b'"%s %s":0' % (section.encode(), mark.encode()))
        of = (known.old if section == SECTIONS[0] else known.new) if known else Runs()
        runs[section] = _Section(text, growing, of).read()
    marks = {section: f"{section} {mark}" for section in SECTIONS if section not in left}
    return Plain(_top_of(rest, marks, where), runs)


def _next_section(text: _Text, left: list[str]) -> tuple[bytes, str | None]:
    """Return the text up to and with the brace that opens a section, or the rest."""
    opening = {section: b'"%s":{' % section.encode() for section in left}
    while True:
        found = {at: section for section, token in opening.items() if (at := text.data.find(token, text.at)) >= 0}
        if found:
            first = min(found)
            end = first + len(opening[found[first]])
            part, text.at = text.data[text.at : end], end
            return part, found[first]
        if len(text.data) - text.at > _LARGEST_REST:
            raise OddError
        if not text.more():
            part, text.at = text.data[text.at :], len(text.data)
            return part, None


def _top_of(rest: list[bytes], marks: dict[str, str], where: str) -> Top:
    """Return what is around the sections; raise ``OddError`` unless each of them is where it seemed to be.

    A mark stands in a section in place of its members. It is made up at each reading, so that no text can have it.
    """
    if not marks:
        raise OddError
    try:
        top = read_top(b"".join(rest), where=where)
    except CorruptError as error:
        raise OddError from error
    for section in SECTIONS:
        found = top.pop(section, None)
        if found != ({marks[section]: msgspec.Raw(b"0")} if section in marks else None):
            raise OddError
    return top


class _Section:
    """One section, from behind its opening brace to its closing one."""

    def __init__(self, text: _Text, growing: Growing, known: Runs) -> None:
        self._text = text
        self._growing = growing
        self._known = known
        self._expected = 0
        self._places: dict[str, list[int]] | None = None
        self._found: list[Run | int] = []

    def read(self) -> list[Run | int]:
        """Return its runs; the text is then at its closing brace."""
        text = self._text
        text.have(1)
        over = text.data[text.at : text.at + 1] == b"}"
        while not over:
            over = self._pass_known()
            if not over and (names := self._skip()) is not None:
                over = self._take(*self._guess(names))
        return self._found

    def _pass_known(self) -> bool:
        """Go on over what is known, as its bytes are those that were kept; tell whether the section ends with it."""
        text, lengths, offsets, kept = self._text, self._known.lengths, self._known.offsets, self._growing.read
        data, at = text.data, text.at
        for number in range(self._expected, len(lengths)):
            end = at + lengths[number]
            if end >= len(data):
                text.at = at
                text.have(lengths[number] + 1)
                data, at = text.data, text.at
                end = at + lengths[number]
                if end >= len(data):
                    break
            if kept(offsets[number], end - at) != data[at:end]:
                break
            self._found.append(number)
            self._expected = number + 1
            if data[end] != _COMMA:
                text.at = end
                if data[end] != _CLOSE:
                    raise OddError
                return True
            at = end + 1
        text.at = at
        return False

    def _skip(self) -> list[str] | None:
        """Leave out known runs that do not come any more; return the names of which one may come, after what is new.

        Nothing is returned if a known run is here.
        """
        text, names = self._text, self._known.names
        if self._expected >= len(names):
            return []
        end = text.have(_NEAR)
        stop = text.data.find(b'":', text.at, end)
        name = text.data[text.at + 1 : stop].decode("latin-1").rsplit("-", 2)[0]
        if self._places is None:
            self._places = {}
            for number, known in enumerate(names):
                self._places.setdefault(known, []).append(number)
        places = self._places.get(name, ())
        nearest = bisect_left(places, self._expected)
        place = places[nearest] if nearest < len(places) else None
        if place is not None and place > self._expected:
            self._expected = place
            if self._is_here(place):
                return None
        begin = self._expected + (place is not None)
        return names[begin : begin + _TRIED]

    def _is_here(self, number: int) -> bool:
        text, length = self._text, self._known.lengths[number]
        text.have(length + 1)
        return self._growing.read(self._known.offsets[number], length) == text.data[text.at : text.at + length]

    def _guess(self, names: list[str]) -> tuple[int, bool]:
        """Return where members may end that begin here, and whether the section ends there."""
        text, begin = self._text, self._text.at
        end = text.have(_NEAR if names else _CHUNK)
        for name in names:
            stop = text.data.find(b'},"%s-' % name.encode(), text.at, end)
            if stop >= 0:
                over = _AFTER.search(text.data, text.at, stop) if text.data.find(b"}}", text.at, stop) >= 0 else None
                return (over.start() + 1, True) if over else (stop + 1, False)
        size = _CHUNK
        while size <= _LARGEST:
            end = text.have(size + 64)
            begin = text.at
            if text.data.find(b'}},"', begin, end) >= 0 and (over := _AFTER.search(text.data, begin, end)):
                return over.start() + 1, True
            if text.ended and end == len(text.data):
                whole = text.data.rstrip(b" \t\r\n")
                if not whole.endswith(b"}}}"):
                    raise OddError
                return len(whole) - 2, True
            key = max(text.data.rfind(ending, begin, end) for ending in (b'.conda":', b'.tar.bz2":'))
            stop = text.data.rfind(b'},"', begin, max(key, begin))
            if stop >= 0:
                return stop + 1, False
            size *= 2
        raise OddError

    def _take(self, end: int, over: bool) -> bool:  # noqa: FBT001 (as it was guessed)
        """Keep the members up to ``end``, and what of runs they are; tell whether the section ends there."""
        text = self._text
        if text.data[end : end + 1] != (b"}" if over else b","):
            raise OddError
        part = memoryview(text.data)[text.at : end]
        offset = self._growing.append(b"".join((part, b",")))
        self._found += runs_of(part, offset)
        text.at = end + (not over)
        return over
