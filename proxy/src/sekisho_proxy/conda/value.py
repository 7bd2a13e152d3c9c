"""What a channel lists of one name in one subdir, cleaned, and what of it was refused and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sekisho.errors import BadInputError
from sekisho.model import Artifact
from sekisho.model.conda import conda_artifact
from sekisho_proxy.conda.quick import clean
from sekisho_proxy.conda.stated import MOST_REASONS, Refused, Stated

Raw = Mapping[str, Any]
"""A record as its channel states it: nothing is known of it but that it is an object."""


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
