"""Byte ranges (RFC 9110 section 14): one range, or the whole."""

import re

_ONE = re.compile(r"^bytes=\s*(\d{0,18})-(\d{0,18})\s*$", re.ASCII)


class UnsatisfiableError(ValueError):
    """The range lies outside the file (416)."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, length), or ``None`` to send the whole: no range, several, or one that makes no sense.

    Raises ``UnsatisfiableError`` for a range that begins behind the end.
    """
    match = _ONE.match(header)
    if not match or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if not length:
            raise UnsatisfiableError
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise UnsatisfiableError
    return start, end - start + 1


def wanted(range_header: str, if_range: str, etag: str, size: int) -> tuple[int, int] | None:
    """Apply ``If-Range``: a range counts only for the very file the client has begun (section 13.1.5)."""
    if not range_header or (if_range and if_range.strip() != etag):
        return None
    return parse_range(range_header, size)
