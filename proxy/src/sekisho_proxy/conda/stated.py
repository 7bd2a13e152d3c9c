"""What a channel states, as it states it; and how much of it is taken."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from sekisho.errors import BadInputError

MOST_REASONS = 100
"""Reasons that are kept of one name: a channel may be wrong in a million ways."""

MOST_NAMES = 200_000
"""Names of one subdir: all are in memory. conda-forge's largest had 32,000 in 2025."""

LARGEST_RECORD = 1 << 20
"""Bytes of one record as it comes; it takes some sixty times that once it is read."""


class Stated(NamedTuple):
    """A record as its channel states it, not read yet: all of a name's at once might take gigabytes."""

    raw: msgspec.Raw
    decode: Callable[[msgspec.Raw], Any]

    def read(self) -> Any:  # noqa: ANN401 (whatever a channel says)
        """Return it; raise ``BadInputError`` for one that is too large or cannot be read."""
        if len(self.raw) > LARGEST_RECORD:
            raise BadInputError(f"the record of it has more than {LARGEST_RECORD} bytes")
        try:
            return self.decode(self.raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise BadInputError(f"the record of it cannot be read: {error}") from error


class Refused(NamedTuple):
    """Something that a channel lists and that is not passed on, and why."""

    what: str
    why: str
