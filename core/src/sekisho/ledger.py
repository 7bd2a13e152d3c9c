"""The ledger: append-only, every row a leaf of an RFC 6962 tree, with signed checkpoints.

Where a request stands is a question asked of these rows; nothing else keeps a status.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import Field
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    make_url,
    select,
)

from sekisho.database import create_table, open_database, write_alone
from sekisho.errors import CorruptError, NotFoundError
from sekisho.merkle import leaf_hash, open_checkpoint, root_hash, sign_checkpoint
from sekisho.model import Moment, Record, canonical_json
from sekisho.signing import Signer, Trust

ORIGIN = "sekisho"
"""What checkpoints of the ledger call it."""

CHECKPOINT = Path("portal") / "checkpoint"
"""Where the portal keeps its newest checkpoint, below the data folder."""

_ROWS = Table(
    "ledger",
    MetaData(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(40), nullable=False, index=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("actor", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("leaf", LargeBinary(32), nullable=False),
)


class Entry(Record):
    """One row: at ``at``, ``actor`` did ``kind`` to ``subject``. ``seq`` counts from 1 without gaps."""

    seq: int
    at: Moment
    kind: str
    subject: str
    actor: str
    body: dict[str, Any] = Field(default_factory=dict)

    def leaf(self) -> bytes:
        """Return the leaf hash: over the whole row, its place included."""
        return leaf_hash(
            canonical_json([self.seq, self.at.isoformat(), self.kind, self.subject, self.actor, self.body])
        )


class Ledger:
    """The append-only record in a database."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._clock = clock
        create_table(engine, _ROWS)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the ledger in the database at ``url``; raise ``NotFoundError`` rather than make one."""
        address = make_url(url)
        absent = NotFoundError(
            f"there is no ledger at {address.render_as_string()}", todo="set SEKISHO_DATA or SEKISHO_DATABASE"
        )
        if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
            raise absent
        engine = open_database(url)
        if not inspect(engine).has_table(_ROWS.name):
            engine.dispose()
            raise absent
        return cls(engine)

    @contextmanager
    def closing(self) -> Iterator[Self]:
        """Close the connections when the context is left."""
        try:
            yield self
        finally:
            self._engine.dispose()

    def append(self, kind: str, subject: str, *, actor: str, body: dict[str, Any] | None = None) -> Entry:
        """Add one row, durably, and return it."""
        with self._engine.connect() as connection:
            write_alone(connection, _ROWS)
            last = connection.execute(select(func.max(_ROWS.c.seq))).scalar() or 0
            entry = Entry(seq=last + 1, at=self._clock(), kind=kind, subject=subject, actor=actor, body=body or {})
            connection.execute(
                insert(_ROWS).values(
                    seq=entry.seq,
                    at=entry.at.isoformat(),
                    kind=kind,
                    subject=subject,
                    actor=actor,
                    body=canonical_json(entry.body).decode(),
                    leaf=entry.leaf(),
                )
            )
            connection.commit()
        return entry

    def entries(
        self,
        *,
        after: int = 0,
        subject: str | None = None,
        kinds: Iterable[str] = (),
        without: Iterable[str] = (),
        limit: int | None = None,
    ) -> list[Entry]:
        """Return the first ``limit`` rows in order: of ``subject``, of one of ``kinds``, and of none ``without``."""
        query = select(_ROWS).where(_ROWS.c.seq > after).order_by(_ROWS.c.seq).limit(limit)
        if subject is not None:
            query = query.where(_ROWS.c.subject == subject)
        if kinds := tuple(kinds):
            query = query.where(_ROWS.c.kind.in_(kinds))
        if without := tuple(without):
            query = query.where(_ROWS.c.kind.not_in(without))
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def size(self) -> int:
        """Return the number of rows."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(_ROWS)).scalar_one())

    def checkpoint(self, origin: str, signer: Signer) -> str:
        """Return a signed statement of the tree's size and root."""
        leaves = list(self._leaves())
        return sign_checkpoint(origin, len(leaves), root_hash(leaves), signer)

    def check(self, checkpoint: str, trust: Trust) -> int:
        """Return the size that a signed checkpoint states; raise ``CorruptError`` unless the ledger grew from it."""
        _, size, root = open_checkpoint(checkpoint, trust)
        leaves = list(self._leaves())
        if len(leaves) < size:
            raise CorruptError(f"the ledger has {len(leaves)} rows, and {size} were signed", where="ledger")
        if root_hash(leaves[:size]) != root:
            raise CorruptError(f"the first {size} rows are not those that were signed", where="ledger")
        return size

    def verify(self) -> tuple[int, bytes]:
        """Return (size, root) after reading every row; raise ``CorruptError`` naming the first that was altered."""
        leaves: list[bytes] = []
        with self._engine.connect() as connection:
            for number, row in enumerate(connection.execute(select(_ROWS).order_by(_ROWS.c.seq)), 1):
                if row.seq != number:
                    raise CorruptError(f"row {number} is missing", where="ledger")
                if _leaf(row) != row.leaf:
                    raise CorruptError(f"row {number} was altered", where="ledger")
                leaves.append(row.leaf)
        return len(leaves), root_hash(leaves)

    def _leaves(self) -> Iterator[bytes]:
        with self._engine.connect() as connection:
            yield from connection.execute(select(_ROWS.c.leaf).order_by(_ROWS.c.seq)).scalars()


def _leaf(row: Any) -> bytes | None:  # noqa: ANN401 (see _entry)
    """Return the leaf hash of a row as it stands, or nothing if it cannot be read, or says the same in other bytes."""
    try:
        entry = _entry(row)
        same = (row.at, row.body) == (entry.at.isoformat(), canonical_json(entry.body).decode())
        return entry.leaf() if same else None
    except (ValueError, TypeError):
        return None


def _entry(row: Any) -> Entry:  # noqa: ANN401 (a row of SQLAlchemy has no static type)
    return Entry(
        seq=row.seq, at=datetime.fromisoformat(row.at), kind=row.kind, subject=row.subject, actor=row.actor,
        body=json.loads(row.body),
    )  # fmt: skip
