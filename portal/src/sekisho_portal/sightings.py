"""When a file was seen first, and what the inspection found in it: derived from the ledger, found by sha256."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, Text, insert, select, update

from sekisho.database import batches
from sekisho.ledger import Entry, Ledger
from sekisho.model import Facts, canonical_json
from sekisho_portal.follower import Follower

_KINDS = ("resolved", "inspected", "built")
_AT_ONCE = 20
_TABLE = Table(
    "sightings",
    MetaData(),
    Column("sha256", String(64), primary_key=True),
    Column("first", String(40), nullable=False),
    Column("facts", Text),
    Column("seq", Integer, nullable=False, index=True),
)
_CONTAINED = Table(
    "contained",
    MetaData(),
    Column("project", String(200), primary_key=True),
    Column("release", String(200), primary_key=True),
    Column("sha256", String(64), primary_key=True),
)
"""What packages of channels hold, by the project of the index."""


class Sightings:
    """The table. ``follow`` reads what the ledger gained since it was called last."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._follower = Follower(engine, ledger, (_TABLE, _CONTAINED), kinds=_KINDS, at_once=_AT_ONCE)

    def follow(self) -> None:
        """Take up the ledger's new rows, a few at a time."""
        self._follower.follow(self._write)

    def _write(self, rows: list[Entry]) -> None:
        with self._follower.writing() as (connection, _):
            for row in rows:
                for one in _held(row):
                    same = [_CONTAINED.c[key] == value for key, value in one.items()]
                    if connection.execute(select(_CONTAINED.c.sha256).where(*same)).first() is None:
                        connection.execute(insert(_CONTAINED), [one])
                found = dict(_seen(row))
                known = set[str]()
                for some in batches(found):
                    known.update(connection.execute(select(_TABLE.c.sha256).where(_TABLE.c.sha256.in_(some))).scalars())
                at = row.at.isoformat()
                fresh = [
                    {"sha256": sha256, "first": at, "facts": facts, "seq": row.seq}
                    for sha256, facts in found.items()
                    if sha256 not in known
                ]
                if fresh:
                    connection.execute(insert(_TABLE), fresh)
                for sha256 in known:
                    if (facts := found[sha256]) is not None:
                        values = {"facts": facts, "seq": row.seq}
                        connection.execute(update(_TABLE).where(_TABLE.c.sha256 == sha256).values(values))

    def first_seen(self, hashes: Iterable[str]) -> dict[str, datetime]:
        """Return since when files are known here, on our own clock."""
        return {row.sha256: datetime.fromisoformat(row.first) for row in self._rows(hashes)}

    def facts(self, hashes: Iterable[str]) -> dict[str, Facts]:
        """Return the facts of those files that were inspected."""
        return {row.sha256: Facts.parse_json(row.facts, where="sightings") for row in self._rows(hashes) if row.facts}

    def containing(self, project: str) -> tuple[tuple[str, str], ...]:
        """Return (sha256, release) of the packages of channels that hold a project of the index, by their METADATA."""
        self.follow()
        query = select(_CONTAINED.c.sha256, _CONTAINED.c.release).where(_CONTAINED.c.project == project)
        with self._engine.connect() as connection:
            return tuple((row.sha256, row.release) for row in connection.execute(query))

    def contained(self) -> Mapping[str, frozenset[str]]:
        """Return which projects of the index packages of channels hold, by the packages' sha256."""
        self.follow()
        found: dict[str, set[str]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(select(_CONTAINED.c.sha256, _CONTAINED.c.project)).all():
                found.setdefault(row.sha256, set()).add(row.project)
        return {sha256: frozenset(projects) for sha256, projects in found.items()}

    def _rows(self, hashes: Iterable[str]) -> Iterator[Any]:
        self.follow()
        with self._engine.connect() as connection:
            for some in batches(dict.fromkeys(hashes)):
                yield from connection.execute(select(_TABLE).where(_TABLE.c.sha256.in_(some)))


def _held(row: Entry) -> Iterator[dict[str, str]]:
    """Yield what inspected packages of channels hold."""
    for facts in row.body.get("facts", ()):
        for one in facts.get("contains", ()):
            yield {"project": one["project"], "release": one["release"], "sha256": facts["sha256"]}


def _seen(row: Entry) -> Iterator[tuple[str, str | None]]:
    if row.kind == "resolved":
        closure = row.body["closure"]
        for artifact in closure["artifacts"]:
            yield artifact["sha256"], None
        for build in closure.get("builds", ()):
            for artifact in build.get("artifacts", ()):
                yield artifact["sha256"], None
    else:
        for facts in row.body["facts"]:
            yield facts["sha256"], canonical_json(facts).decode()
