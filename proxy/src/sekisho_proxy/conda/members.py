"""Members of a JSON object that stand in a row: proved to be such, and each exactly where it seems to be."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from sekisho_proxy.conda.outline import Run
from sekisho_proxy.conda.seen import short

_DEEPER = 32
"""Objects around what is proved: what nests too deeply for a reader of the whole does so here, too."""


class OddError(Exception):
    """The text is not plain, and only a reader of all of it can tell what it means."""


class _OfAFile(msgspec.Struct):
    sha256: str | None = None


def _wrapped(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 (a type that is made here)
    for _ in range(_DEEPER):
        kind = dict[str, kind]
    return msgspec.json.Decoder(kind)


_BEGIN, _END = b'{"":' * _DEEPER + b"{", b"}" * (_DEEPER + 1)
_RAW = _wrapped(dict[str, msgspec.Raw])
_file, _files = msgspec.json.Decoder(_OfAFile), msgspec.json.Decoder(dict[str, _OfAFile])


def members_of(text: bytes | memoryview) -> dict[str, msgspec.Raw]:
    """Return the members that ``text`` is made of; raise ``OddError`` if it is anything else, or not compact.

    What is between braces is an object only if it is members (RFC 8259, 4), wherever else it stands. Every blank,
    escape or wide letter in a key, and a key that is there twice, makes the text longer than its members are.
    """
    try:
        found = _RAW.decode(b"".join((_BEGIN, text, _END)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OddError from error
    for _ in range(_DEEPER):
        found = found[""]
    if len(text) != sum(map(len, found)) + sum(map(len, found.values())) + 4 * len(found) - 1:
        raise OddError
    return found  # type: ignore[no-any-return]


def name_of(filename: str) -> str:
    """Return the name that a file's name begins with; empty for one that no package has (CEP 26)."""
    parts = filename.rsplit("-", 2)
    return parts[0] if len(parts) == 3 else ""


def hash_of(raw: msgspec.Raw) -> str:
    """Return the sha256 that a record states, and nothing if it states none."""
    try:
        return _file.decode(raw).sha256 or ""
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""


def runs_of(text: memoryview, offset: int) -> Iterator[Run]:
    """Yield the runs of members that are kept at ``offset``; raise ``OddError`` for what is not plain."""
    found = members_of(text)
    hashes = _hashes(text, found)
    name, at, began, first, number = "", 0, 0, 0, 0
    for number, (filename, raw) in enumerate(found.items()):
        if (own := name_of(filename)) != name:
            if number:
                yield _run(name, offset + began, text[began : at - 1], hashes[first:number])
            name, began, first = own, at, number
        at += len(filename) + len(raw) + 4
    yield _run(name, offset + began, text[began : at - 1], hashes[first : number + 1])


def _run(name: str, offset: int, text: memoryview, hashes: list[bytes]) -> Run:
    return Run(name, offset, len(text), len(hashes), hashlib.sha256(text).digest(), b"".join(hashes))


def _hashes(text: memoryview, found: dict[str, msgspec.Raw]) -> list[bytes]:
    """Return what each record's file is known by, and nothing for what states no sha256."""
    try:
        return [short(row.sha256 or "") for row in _files.decode(b"".join((b"{", text, b"}"))).values()]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return [short(hash_of(raw)) for raw in found.values()]
