"""Messages between the builder and the process that holds the solver: a length in four bytes, then JSON.

Both ends are of this distribution. What the other end sends is still bounded, so that a damaged length is an error
instead of an endless wait.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

LONGEST = 256 << 20
"""Bytes of one message."""

_LENGTH = struct.Struct(">I")


def frame(message: dict[str, Any]) -> bytes:
    """Return a message as it is sent; raise ``ValueError`` for one that is too long."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > LONGEST:
        raise ValueError(f"a message of {len(body)} bytes")
    return _LENGTH.pack(len(body)) + body


def receive(read: Callable[[int], bytes]) -> dict[str, Any] | None:
    """Return the next message from ``read``, which gives exactly as many bytes as asked, or fewer at the end.

    Returns nothing at the end; raises ``ValueError`` for what is no message.
    """
    head = read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > LONGEST:
        raise ValueError(f"a message of {length} bytes")
    body = read(length)
    if len(body) < length:
        return None
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")  # noqa: TRY004 (it came from outside)
    return message
