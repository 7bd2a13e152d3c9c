"""A file that is read while it still comes: who brings it says line by line how far it is.

An empty line says that there is more of it, a number that this is all, and when it was had. Lines that end before that
say that it never came whole.
"""

from typing import BinaryIO

from sekisho.errors import CorruptError


class Coming:
    """How far a file is; without lines it is there already. ``now`` is in seconds of the epoch."""

    def __init__(self, lines: BinaryIO | None, now: int = 0) -> None:
        self._lines = lines
        self._now = now

    def more(self) -> bool:
        """Wait until there may be more to read; false if there cannot be. Raises ``CorruptError`` if it breaks off."""
        if self._lines is None:
            return False
        line = self._lines.readline(32)
        if not line.endswith(b"\n"):
            raise CorruptError("it did not come whole", todo="ask again")
        if line != b"\n":
            self._lines, self._now = None, int(line)
        return True

    def end(self) -> int:
        """Wait until all of it is there; return when that was."""
        while self.more():
            pass
        return self._now
