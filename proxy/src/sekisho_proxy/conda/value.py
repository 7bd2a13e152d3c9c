"""What a channel lists of one name in one subdir, cleaned, and what of it was refused and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from sekisho.errors import BadInputError
from sekisho.model import Artifact
from sekisho.model.conda import conda_artifact
from sekisho_proxy.conda.quick import clean

Raw = Mapping[str, Any]
"""A record as its channel states it: nothing is known of it but that it is an object."""

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


class Row(NamedTuple):
    """One file: its cleaned record, and since when it is known here, in seconds of the epoch."""

    filename: str
    record: Mapping[str, Any]
    seen: int


class Listed(NamedTuple):
    """Everything that ``source`` lists of ``name`` in ``subdir``."""

    source: str
    subdir: str
    name: str
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...] = ()

    def artifact(self, row: Row) -> Artifact:
        """Return one of the files as an artifact."""
        seen = datetime.fromtimestamp(row.seen, UTC)
        return conda_artifact(self.source, row.filename, row.record, subdir=self.subdir, seen=seen)

    def artifacts(self) -> tuple[Artifact, ...]:
        """Return all files as artifacts."""
        return tuple(map(self.artifact, self.rows))


def cleaned(
    name: str, subdir: str, records: Iterable[tuple[str, Stated]]
) -> tuple[list[tuple[str, dict[str, Any]]], list[Refused]]:
    """Return what counts of the records of ``name``, and what does not; two records of one file count both as none."""
    kept: dict[str, dict[str, Any]] = {}
    refused: list[Refused] = []
    rows = list(records)
    often = {filename for filename, count in Counter(filename for filename, _ in rows).items() if count > 1}
    for filename, record in rows:
        try:
            found = clean(filename, record.read(), subdir=subdir)  # it looks for itself
        except BadInputError as error:
            refused.append(Refused(filename[:200], error.what))
            continue
        if found["name"] != name:
            refused.append(Refused(filename, f"it is listed under {name}"))
        elif filename in often:
            refused.append(Refused(filename, "it is listed twice"))
        else:
            kept[filename] = found
    return sorted(kept.items()), refused[:MOST_REASONS]
