"""A row of the result: a figure, its goal, what the peers do; and how rows become a table and JSON. All pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

TIMES = "\N{MULTIPLICATION SIGN}"
"""The unit of a share."""

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure. ``value`` is ``None`` where it could not be measured, and ``note`` then says why.

    ``goal`` is a bound in ``unit``: the least for ``higher``, the most for ``lower``. Without one the row only informs.
    """

    name: str
    value: float | None
    unit: str
    goal: float | None
    better: Better
    peers: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def met(self) -> bool:
        """Tell whether the goal is reached; a row without a value reaches none, one without a goal misses none."""
        if self.value is None:
            return False
        if self.goal is None:
            return True
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    def ratio(self, peer: str) -> float | None:
        """Return how many times better than a peer we are; under 1 is worse."""
        theirs = self.peers[peer]
        ours = self.value
        up, down = (ours, theirs) if self.better == "higher" else (theirs, ours)
        return None if ours is None or not down or up is None else up / down

    def plain(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": self.goal,
            "better": self.better,
            "met": self.met,
            "peers": dict(self.peers),
            "note": self.note,
        }


def share(name: str, ours: float, theirs: float, goal: float, better: Better, note: str = "") -> Row:
    """Return a row whose figure is ours divided by a peer's."""
    return Row(name, ours / theirs if theirs else None, TIMES, goal, better, note=note)


def dump(rows: Iterable[Row]) -> str:
    """Return the rows as JSON."""
    return json.dumps([row.plain() for row in rows], indent=2) + "\n"


def table(rows: Sequence[Row], title: str) -> Table:
    """Return the table that a person reads. Beside each peer's figure stands how many times better ours is."""
    shown = Table(title=title, title_justify="left", show_lines=False)
    for head, justify in (("figure", "left"), ("ours", "right"), ("goal", "right"), ("", "left"), ("peers", "left")):
        shown.add_column(head, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        shown.add_row(row.name, *_cells(row))
    return shown


def _cells(row: Row) -> tuple[str, str, Text, Text]:
    sign = "≥" if row.better == "higher" else "≤"
    goal = "" if row.goal is None else f"{sign} {figure(row.goal)} {row.unit}"
    ours = "not measured" if row.value is None else f"{figure(row.value)} {row.unit}"
    if row.goal is None and row.value is not None:
        verdict = Text("")
    else:
        verdict = Text("met", style="green") if row.met else Text("missed", style="red")
    peers = "  ".join(_peer(row, name) for name in row.peers)
    return ours, goal, verdict, Text("\n".join(part for part in (peers, row.note) if part))


def _peer(row: Row, name: str) -> str:
    ratio = row.ratio(name)
    return f"{name} {figure(row.peers[name])}" + (f" ({figure(ratio)}{TIMES})" if ratio else "")


def figure(value: float) -> str:
    """Write a number with three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
