"""A conda package's placeholder becomes the environment's prefix: a function of the bytes and the prefix alone.

``paths.json`` names the files that hold the path of where the package was built, and how it stands there (CEP 34): as
text, which may grow or shrink, or in a binary's strings, which keep their length. All of it goes piece by piece,
whatever the size of a file. An environment archive carries this file to do the same where it is unpacked, so it needs
nothing but Python.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

LONGEST_SHEBANG = 127
"""Bytes of a script's first line that kernels before 5.1 read (execve(2), BUGS); what is longer, they cut."""

_SHEBANG = re.compile(rb"#![ ]*(?P<program>/(?:\\ |[^ \n\r\t])*)(?P<options>[^\n\r]*)")
_LONGEST_LINE = 1 << 16
_LONGEST_STRING = 1 << 20


class Placeholder(NamedTuple):
    """The path that a file of a package holds instead of the prefix, and how."""

    text: str
    mode: Literal["text", "binary"]


def replaced(pieces: Iterable[bytes], placeholder: Placeholder, prefix: str) -> Iterator[bytes]:
    """Yield a file's pieces with ``prefix`` (absolute, no slash at its end) wherever the placeholder stands.

    A script's first line that would be too long for the kernel finds its interpreter by ``env`` instead. Raises
    ``ValueError`` for a binary that has no room, or a string in it that has no end.
    """
    old, new = placeholder.text.encode(), prefix.encode()
    if placeholder.mode == "text":
        return _with_short_shebang(_in_text(pieces, old, new))
    return _in_binary(pieces, old, new)


def _in_text(pieces: Iterable[bytes], old: bytes, new: bytes) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *before, rest = (held + piece).split(old)
        sure = max(0, len(rest) - len(old) + 1)  # what follows may be the start of the next one
        held = rest[sure:]
        yield b"".join(part + new for part in before) + rest[:sure]
    yield held


def _with_short_shebang(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if (len(head) >= 2 and not head.startswith(b"#!")) or b"\n" in head or len(head) > _LONGEST_LINE:
            break
    found = _SHEBANG.match(head)
    if found and len(found[0]) > LONGEST_SHEBANG:
        name, options = found["program"].rpartition(b"/")[2], found["options"].strip()
        split = b"-S " if options else b""  # without it, env takes all that follows for one name
        head = b"#!/usr/bin/env " + split + name + (b" " + options if options else b"") + head[found.end() :]
    yield head
    yield from pieces


def _in_binary(pieces: Iterable[bytes], old: bytes, new: bytes) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        held += piece
        out, at = [], 0
        while (start := held.find(old, at)) >= 0 and (end := held.find(b"\0", start)) >= 0:
            out += [held[at:start], _string(held[start:end], old, new)]
            at = end
        if start >= 0 and len(held) - start > _LONGEST_STRING:
            raise ValueError(f"a string with the package's placeholder has more than {_LONGEST_STRING} bytes")
        sure = start if start >= 0 else max(at, len(held) - len(old) + 1)
        yield b"".join((*out, held[at:sure]))
        held = held[sure:]
    yield _string(held, old, new) if old in held else held


def _string(text: bytes, old: bytes, new: bytes) -> bytes:
    """Return a C string with its placeholders replaced, in as many bytes as before."""
    if len(new) > len(old):
        raise ValueError(f"a binary has room for a prefix of {len(old)} bytes, and this one has {len(new)}")
    return text.replace(old, new).ljust(len(text), b"\0")
