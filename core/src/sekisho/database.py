"""One way to open a database: SQLite in a file by default, anything SQLAlchemy knows by its URL."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from sekisho.errors import StorageFullError


def open_database(url: str) -> Engine:
    """Open ``url``; for SQLite make the folder and set write-ahead logging with full durability."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "handle_error", _explain)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 (a DBAPI connection has no type)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma busy_timeout = 10000")


def _explain(context: Any) -> None:  # noqa: ANN401 (SQLAlchemy's ExceptionContext)
    if "database or disk is full" in str(context.original_exception):
        raise StorageFullError(
            "the disk is full", where=str(context.engine.url.database), todo="free some space and try again"
        ) from context.original_exception
