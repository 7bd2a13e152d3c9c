"""Reading a channel: for the first time, and after one percent of it changed; by its one file, and by its shards."""

import shutil
from statistics import median

from bench.conda.site import SUBDIR, Site
from bench.place import MeasureError
from bench.rows import Row

_KEPT = 303
_LATER = 1000.0
"""Seconds after which a channel is asked again."""


def measure(site: Site) -> list[Row]:
    """Take the figures of both forms, and those of what others do with the one file."""
    what = f"{site.records:,} records"
    rows = []
    for kind, name in (("plain", "one file"), ("sharded", "shards")):
        first, changed = [], []
        for number in range(1, site.rounds(3) + 1):
            site.say(f"reading a channel by its {name}, round {number}")
            folder = site.place.work / "import" / kind
            shutil.rmtree(folder, ignore_errors=True)
            site.turn("old")
            first.append(site.once("import", url=site.url, folder=str(folder), kind=kind, later=0.0))
            site.turn("new")
            changed.append(site.once("import", url=site.url, folder=str(folder), kind=kind, later=_LATER))
        site.turn("old")
        if not all(row["names"] == first[0]["names"] > 0 for row in (*first, *changed)):
            raise MeasureError(f"the channel's {name} did not list every name")
        peak = max(row["peak"] + row["child"] for row in (*first, *changed))
        rows += [
            _row(f"first build, {name}", first, 15, f"{what}, "),
            _row(f"a 1 % change, {name}", changed, 1, ""),
            Row(f"import by {name}: memory at its peak", peak, "MiB", 700, "lower", note="proxy and worker together"),
        ]
    return [*rows, *_peers(site)]


def _row(name: str, rounds: list[dict[str, float]], goal: float, note: str) -> Row:
    note += f"processor {median(row['processor'] for row in rounds):.2f} s with the start of Python"
    return Row(name, median(row["seconds"] for row in rounds), "s", goal, "lower", note=note)


def _peers(site: Site) -> list[Row]:
    file = str(site.place.work / "old" / "plain" / SUBDIR / "repodata.json")
    site.say("json and SparseRepoData on the same file")
    found = {
        "json": site.once("json", file=file, names=_KEPT),
        "SparseRepoData": site.once("sparse", file=file, names=_KEPT),
    }
    rows = []
    for name, row in found.items():
        note = f"peak {row['peak']:,.0f} MiB, {_KEPT} names of the same file"
        rows.append(Row(f"(others) {name}, one filter of the file", row["seconds"], "s", None, "lower", note=note))
    return rows
