"""Tables that are derived from the ledger: each row is taken up once, in order, by whichever portal comes first."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Column, Connection, Engine, Table, delete, func, select

from sekisho.database import create_table, write_alone
from sekisho.ledger import Entry, Ledger


class Follower:
    """Follows the ledger for some tables, of which the first has in ``seq`` the rows that it was made of.

    Derived tables can be thrown away and are made again; those of another ledger are, when a portal starts.
    """

    def __init__(
        self, engine: Engine, ledger: Ledger, tables: Sequence[Table], *, kinds: Collection[str], at_once: int
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._first = tables[0]
        self._kinds = kinds
        self._at_once = at_once
        self._lock = threading.Lock()
        for table in tables:
            create_table(engine, table)
        with engine.begin() as connection:
            self._mark = self._newest(connection)
            if self._mark > ledger.size():
                for table in tables:
                    connection.execute(delete(table))
                self._mark = 0

    def _newest(self, connection: Connection) -> int:
        seq: Column[int] = self._first.c.seq
        return int(connection.execute(select(func.max(seq))).scalar() or 0)

    def follow(self, write: Callable[[list[Entry]], None]) -> None:
        """Hand on the ledger's new rows, a few at a time, to what writes them."""
        with self._lock:
            while rows := self._ledger.entries(after=self._mark, kinds=self._kinds, limit=self._at_once):
                write(rows)
                self._mark = rows[-1].seq

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, int]]:
        """Open a transaction in which no other portal follows; give it, and the newest row that one has written."""
        with self._engine.connect() as connection:
            write_alone(connection, self._first)
            yield connection, self._newest(connection)
            connection.commit()
