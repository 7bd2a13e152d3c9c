"""Demand: what proxies refused, added up, and what they would have in workspaces that only audit.

Operational tables beside the ledger; nothing is decided by them.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    RowMapping,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from sekisho.database import create_table, write_alone
from sekisho.model import MOST_COUNT, OTHERS, DemandBatch, DemandRow, Kind, Record
from sekisho.policy import Snapshot

MOST = 10_000
"""Rows of the table. Of more, those that were refused least are counted under no name."""

_KEEP = MOST - MOST // 5
_BATCHES = 1000
"""Batches that are remembered, of all proxies together."""

_NAMES = ("workspace", "kind", "project", "release", "rule")


def _table(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("workspace", String(63), primary_key=True),
        Column("kind", String(20), primary_key=True),
        Column("project", String(200), primary_key=True, index=True),
        Column("release", String(64), primary_key=True),
        Column("rule", String(63), primary_key=True),
        Column("count", BigInteger, nullable=False, index=True),
        Column("first", String(40), nullable=False),
        Column("last", String(40), nullable=False),
    )


_ROWS, _SERVED = _table("demand"), _table("demand_served")
_TAKEN = Table(
    "demand_batches",
    MetaData(),
    Column("proxy", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("at", String(40), nullable=False, index=True),
)


class Refused(Record):
    """How often something was refused, and between when."""

    count: int
    first: datetime
    last: datetime


class Demand:
    """The table. Times in it are ISO 8601 in UTC, so that their order is that of their letters."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        for table in (_ROWS, _SERVED, _TAKEN):
            create_table(engine, table)

    def take(self, batch: DemandBatch) -> bool:
        """Add a batch; tell whether it is new. One that was taken before changes nothing."""
        with self._engine.connect() as connection:
            write_alone(connection, _ROWS)
            known = select(_TAKEN.c.id).where(_TAKEN.c.proxy == batch.proxy, _TAKEN.c.id == batch.id)
            if connection.execute(known).first():
                return False
            for row in batch.rows:
                _add(connection, row if row.project else _unnamed(row))
            _fold(connection, _ROWS)
            _fold(connection, _SERVED)
            connection.execute(insert(_TAKEN).values(proxy=batch.proxy, id=batch.id, at=self._clock().isoformat()))
            oldest = select(_TAKEN.c.at).order_by(_TAKEN.c.at.desc()).offset(_BATCHES).limit(1).scalar_subquery()
            connection.execute(delete(_TAKEN).where(_TAKEN.c.at <= oldest))
            connection.commit()
        return True

    def most_wanted(
        self, *, limit: int, offset: int = 0, served: bool = False, workspace: str | None = None
    ) -> tuple[int, list[DemandRow]]:
        """Return how many rows there are, and some from ``offset``, the most wanted first, what has no name last.

        ``served``: not what was refused, but what was served and mode ``enforce`` would have refused.
        """
        table = _SERVED if served else _ROWS
        where = [table.c.workspace == workspace] if workspace is not None else []
        order = (
            (table.c.project == OTHERS).asc(),
            table.c.count.desc(),
            table.c.last.desc(),
            *(table.c[name] for name in _NAMES),
        )
        with self._engine.connect() as connection:
            total = connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
            found = connection.execute(select(table).where(*where).order_by(*order).limit(limit).offset(offset))
            return int(total), [_row(row, table) for row in found.mappings()]

    def refused(self, workspace: str, kind: Kind, project: str, release: str | None) -> Refused | None:
        """Return how often a project was refused; with ``release``, that one and pages that name none."""
        where = [_ROWS.c.workspace == workspace, _ROWS.c.kind == kind, _ROWS.c.project == project]
        if release is not None:
            where.append(_ROWS.c.release.in_((release, "")))
        query = select(func.sum(_ROWS.c.count), func.min(_ROWS.c.first), func.max(_ROWS.c.last)).where(*where)
        with self._engine.connect() as connection:
            count, first, last = connection.execute(query).one()
        return Refused.model_validate({"count": count, "first": first, "last": last}) if count else None


def _row(found: RowMapping, table: Table) -> DemandRow:
    return DemandRow.model_validate({**found, "served": table is _SERVED})


def _unnamed(row: DemandRow) -> DemandRow:
    return DemandRow(rule="others", count=row.count, first=row.first, last=row.last, served=row.served)


def _is(table: Table, row: DemandRow) -> ColumnElement[bool]:
    return and_(*(table.c[name] == getattr(row, name) for name in _NAMES))


def _add(connection: Connection, row: DemandRow) -> None:
    table = _SERVED if row.served else _ROWS
    first, last = row.first.isoformat(), row.last.isoformat()
    found = connection.execute(select(table.c.count, table.c.first, table.c.last).where(_is(table, row))).first()
    if found is None:
        names = {name: getattr(row, name) for name in _NAMES}
        connection.execute(insert(table).values(**names, count=row.count, first=first, last=last))
        return
    count = min(found[0] + row.count, MOST_COUNT)
    values = {"count": count, "first": min(found[1], first), "last": max(found[2], last)}
    connection.execute(update(table).where(_is(table, row)).values(values))


def _fold(connection: Connection, table: Table) -> None:
    """Keep a table bounded: what was refused least, and of equals longest ago, goes under no name."""
    if int(connection.execute(select(func.count()).select_from(table)).scalar_one()) <= MOST:
        return
    named = select(table).where(table.c.project != OTHERS).order_by(table.c.count.desc(), table.c.last.desc())
    for found in connection.execute(named.offset(_KEEP)).mappings().all():
        gone = _row(found, table)
        connection.execute(delete(table).where(_is(table, gone)))
        _add(connection, _unnamed(gone))


def is_approved_since(row: DemandRow, snapshot: Snapshot) -> bool:
    """Tell whether something that a row wanted was approved for its workspace after it was last refused."""
    return any(
        row.workspace in signed.approval.scope
        and signed.approval.at > row.last
        and any(row.release in ("", artifact.release) for artifact in signed.approval.artifacts)
        for signed in snapshot.approvals
    )
