"""From records to advisories: what shares a name is one, and what any part of it says of a project counts."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sekisho.advisories.exploited import Exploitation
from sekisho.advisories.index import AdvisoryIndex
from sekisho.advisories.osv import OsvRecord
from sekisho.advisories.record import Advisory, Affected

_SHOWN_FIRST = ("MAL-", "CVE-", "GHSA-")


def build_index(
    records: Iterable[OsvRecord],
    *,
    exploitation: Exploitation,
    feeds: Mapping[str, datetime],
    covers: frozenset[str] = frozenset({"pypi"}),
) -> AdvisoryIndex:
    """Put records together: those that share a name are one advisory, as grave as the gravest of them."""
    advisories: list[Advisory] = []
    affected: dict[tuple[str, str], list[Affected]] = {}
    files: dict[str, int] = {}
    for number, group in enumerate(_groups(tuple(records))):
        advisories.append(_advisory(group, exploitation))
        malicious = advisories[-1].malicious
        for record in group:
            files.update(dict.fromkeys(record.files if malicious else (), number))
            for part in record.concerned:
                row = Affected(number, " ".join(part.versions), part.ranges, part.fixed, part.vague)
                affected.setdefault((part.kind, part.project), []).append(row)
    parts = {key: tuple(rows) for key, rows in affected.items()}
    return AdvisoryIndex(tuple(advisories), parts, files, covers=covers, feeds=feeds)


def _groups(records: tuple[OsvRecord, ...]) -> Iterable[list[OsvRecord]]:
    parent = list(range(len(records)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    first: dict[str, int] = {}
    for number, record in enumerate(records):
        for name in record.names:
            parent[root(number)] = root(first.setdefault(name, number))
    groups: dict[int, list[OsvRecord]] = {}
    for number, record in enumerate(records):
        groups.setdefault(root(number), []).append(record)
    return groups.values()


def _advisory(group: list[OsvRecord], exploitation: Exploitation) -> Advisory:
    names = sorted({name for record in group for name in record.names}, key=lambda name: (_rank(name), name))
    scores = [record.score for record in group if record.score is not None]
    likely = [exploitation.likely[name] for name in names if name in exploitation.likely]
    return Advisory(
        names=tuple(names),
        score=max(scores, default=None),
        malicious=any(record.malicious for record in group),
        exploited=any(name in exploitation.known for name in names),
        epss=max(likely, default=None),
        summary=next((record.summary for record in group if record.summary), ""),
    )


def _rank(name: str) -> int:
    return next((rank for rank, start in enumerate(_SHOWN_FIRST) if name.startswith(start)), len(_SHOWN_FIRST))
