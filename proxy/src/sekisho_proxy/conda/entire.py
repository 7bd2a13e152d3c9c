"""Reading repodata of which nothing is known but that it is JSON: all of it is in memory."""

from collections.abc import Iterator
from itertools import chain

import msgspec

from sekisho.conda_name import is_name
from sekisho.errors import CorruptError
from sekisho_proxy.conda.members import hash_of, name_of
from sekisho_proxy.conda.seen import short
from sekisho_proxy.conda.stated import MOST_NAMES, MOST_REASONS
from sekisho_proxy.conda.top import SECTIONS, Top, mapping, read_top
from sekisho_proxy.upstream.advice import TAMPERED

MOST_RECORDS = 5_000_000
MOST_OF_A_NAME, LARGEST_NAME = 100_000, 64 << 20
"""Records of one name, and their bytes: the proxy itself reads them, one after the other."""

_Rows = list[tuple[str, msgspec.Raw]]
_Group = tuple[_Rows, _Rows]


class Entire:
    """All records by name; ``unnamed`` are files that no package is called."""

    def __init__(self, text: bytes | bytearray, where: str) -> None:
        self.top: Top = read_top(text, where=where)
        keys = dict.fromkeys(self.top)
        self._groups, self.records = _grouped(self.top, where)
        self.top = {key: self.top.get(key) for key in keys}
        odd = [name for name in self._groups if not is_name(name)]
        unnamed = (filename for name in odd for rows in self._groups.pop(name) for filename, _ in rows)
        self.unnamed = list(unnamed)[:MOST_REASONS]
        self.names = len(self._groups)

    def parts(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Yield each name with its members of both sections, as text."""
        for name, (old, new) in self._groups.items():
            yield name, _joined(old), _joined(new)

    def hashes(self, name: str) -> list[bytes]:
        """Return what the files of a name are known by."""
        return [short(hash_of(raw)) for _, raw in chain(*self._groups[name])]


def _joined(rows: _Rows) -> bytes:
    return b",".join(b"%b:%b" % (msgspec.json.encode(filename), raw) for filename, raw in rows)


def _grouped(top: Top, where: str) -> tuple[dict[str, _Group], int]:
    """Return (file name, record) by the name that a file's name begins with, and how many there are."""
    groups: dict[str, _Group] = {}
    if not any(isinstance(top.get(section), dict) for section in SECTIONS):
        raise CorruptError("it is no repodata (CEP 36)", where=where, todo=TAMPERED)
    count = 0
    for place, section in enumerate(SECTIONS):
        rows = mapping(top.pop(section, None))  # each dictionary is let go as soon as it is read
        count += len(rows)
        if count > MOST_RECORDS:
            raise CorruptError(f"it has more than {MOST_RECORDS} records", where=where, todo=TAMPERED)
        for filename, raw in rows.items():
            if (group := groups.get(name := name_of(filename))) is None:
                group = groups[name] = ([], [])
            group[place].append((filename, raw))
    if len(groups) > MOST_NAMES:
        raise CorruptError(f"it has more than {MOST_NAMES} names", where=where, todo=TAMPERED)
    for name, group in groups.items():
        if sum(map(len, group)) > MOST_OF_A_NAME:
            raise CorruptError(f"it has more than {MOST_OF_A_NAME} records of {name[:80]}", where=where, todo=TAMPERED)
    for name, group in groups.items():
        if sum(len(filename) + len(raw) for filename, raw in chain(*group)) > LARGEST_NAME:
            raise CorruptError(f"it has more than {LARGEST_NAME} bytes on {name[:80]}", where=where, todo=TAMPERED)
    return groups, count
