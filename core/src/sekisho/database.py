"""One way to open a database: SQLite in a file by default, anything SQLAlchemy knows by its URL."""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, text

from sekisho.errors import StorageFullError

_MOST_NAMED = 500
_Value = TypeVar("_Value")


def open_database(url: str) -> Engine:
    """Open ``url``; for SQLite make the folder and set write-ahead logging with full durability."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            path = Path(engine.url.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # SQLite says better what is wrong with a file that cannot be made
                path.touch(mode=0o600)  # its logs take the same mode

        def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 (a DBAPI connection has no type)
            connection.execute("pragma busy_timeout = 10000")
            with _alone(engine):  # the first switch to a write-ahead log fails beside another one, and waits for none
                connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")

        event.listen(engine, "connect", prepare)
        event.listen(engine, "handle_error", _explain)
    return engine


def create_table(engine: Engine, table: Table) -> None:
    """Create ``table`` unless it is there; of processes that start together, one does."""
    with engine.connect() as connection, _alone(engine):
        table.create(connection, checkfirst=True)
        connection.commit()


def write_alone(connection: Connection, table: Table) -> None:
    """Begin a transaction in which nobody else writes ``table``."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin immediate")
    else:
        connection.execute(text(f"lock table {table.name} in exclusive mode"))


def batches(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Yield values by as many as one statement names."""
    left = iter(values)
    while some := list(islice(left, _MOST_NAMED)):
        yield some


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Keep others, in this process and beside it, from preparing the same SQLite file; elsewhere do nothing."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        yield
        return
    path = Path(engine.url.database)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _explain(context: Any) -> None:  # noqa: ANN401 (SQLAlchemy's ExceptionContext)
    if "database or disk is full" in str(context.original_exception):
        raise StorageFullError(
            "the disk is full", where=str(context.engine.url.database), todo="free some space and try again"
        ) from context.original_exception
