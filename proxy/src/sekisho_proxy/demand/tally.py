"""How often each thing was refused: a dictionary, which a flood of random names does not fill."""

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter

from sekisho.model import MOST_COUNT, OTHERS, DemandRow
from sekisho.ports import Clock
from sekisho_proxy.refusal import Refusal

Row = tuple[Refusal, int, datetime, datetime]
"""A refusal, how often, first and last."""

MOST = 4000
"""Names that are kept at once. Of more, the half that was refused least is counted under no name."""

_OTHERS = Refusal("everyone", "pypi", OTHERS, "", "others")


class Tally:
    """Counts by refusal. ``turn`` grows with every change."""

    def __init__(self, clock: Clock, *, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._rows: dict[Refusal, tuple[int, datetime, datetime]] = {}
        self.turn = 0

    def count(self, refusal: Refusal) -> None:
        """Count one refusal: a look-up and a clock."""
        now = self._clock()
        if not refusal.project:
            refusal = _OTHERS
        self._add(refusal, 1, now, now)

    def _add(self, refusal: Refusal, count: int, first: datetime, last: datetime) -> None:
        if refusal not in self._rows and len(self._rows) >= self._most:
            self._halve()
        found = self._rows.get(refusal)
        if found:
            count, first, last = found[0] + count, min(found[1], first), max(found[2], last)
        self._rows[refusal] = min(count, MOST_COUNT), first, last
        self.turn += 1

    def _halve(self) -> None:
        """Keep the half that was refused most, and of equals the newer; fold the rest."""
        ranked = sorted(self._rows.items(), key=lambda row: (row[0] is not _OTHERS, row[1][0], row[1][2]))
        half = len(ranked) // 2
        self._rows = dict(ranked[half:])
        for _, (count, first, last) in ranked[:half]:
            self._add(_OTHERS, count, first, last)

    def take(self, most: int) -> list[Row]:
        """Remove and return up to ``most`` rows, the oldest first."""
        taken = [(refusal, *self._rows.pop(refusal)) for refusal in list(self._rows)[:most]]
        self.turn += bool(taken)
        return taken

    def rows(self) -> list[Row]:
        """Return everything, the most wanted first."""
        return sorted(((refusal, *value) for refusal, value in self._rows.items()), key=itemgetter(1), reverse=True)

    def restore(self, rows: Iterable[DemandRow]) -> None:
        """Add what was counted before a restart."""
        for row in rows:
            refusal = Refusal(row.workspace, row.kind, row.project, row.release, row.rule, row.served)
            self._add(refusal if row.project else _OTHERS, row.count, row.first, row.last)


def record(row: Row) -> DemandRow:
    """Return a row as the portal takes it."""
    refusal, count, first, last = row
    return DemandRow(**refusal._asdict(), count=count, first=first, last=last)
