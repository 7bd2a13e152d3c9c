"""Which locks hold a file: an index over the ledger. Derived, so it can be thrown away and is made again.

A file is kept once, whatever holds it; of a request the newest lock counts, with the image that was made of it. A
request for no image has no lock on record: it is what `sekisho lock --request` gives, from its approval on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from sekisho.database import batches
from sekisho.ledger import Entry, Ledger
from sekisho.lock import Lock, lock_digest, sorted_artifacts
from sekisho.model import EVERYONE, Artifact, Closure, Kind
from sekisho_portal.follower import Follower

_KINDS = ("approved", "locked", "delivered", "rebased")
_AT_ONCE = 50

_META = MetaData()
_LOCKS = Table(
    "locks",
    _META,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False, index=True),
    Column("subject", String(64), nullable=False, unique=True),
    Column("name", String(63), nullable=False),
    Column("workspace", String(63), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("image", String(600), nullable=False),
)
"""``id`` is the row of the ledger that locked it, ``seq`` the newest that said something of it."""

_FILES = Table(
    "locked_files",
    _META,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("project", String(200), nullable=False, index=True),
    Column("release", String(200), nullable=False),
    Column("filename", String(300), nullable=False),
    Column("sha256", String(64), nullable=False),
    UniqueConstraint("sha256", "kind", "project"),
)
_HELD = Table(
    "lock_holds",
    _META,
    Column("file", Integer, primary_key=True, autoincrement=False),
    Column("lock", Integer, primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)


class HeldFile(NamedTuple):
    """A file that a lock holds."""

    id: int
    kind: Kind
    project: str
    release: str
    filename: str
    sha256: str


class LockRow(NamedTuple):
    """A lock that holds what was asked about, and the image that was made of it, if one was."""

    request: str
    name: str
    workspace: str
    digest: str
    image: str
    files: tuple[int, ...]


class Holding(NamedTuple):
    """How many locks hold one of some files, which of the files are held at all, and locks, newest first."""

    total: int
    files: frozenset[int]
    locks: tuple[LockRow, ...]


class LockIndex:
    """The index. ``follow`` reads what the ledger gained since it was called last."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._follower = Follower(engine, ledger, (_LOCKS, _FILES, _HELD), kinds=_KINDS, at_once=_AT_ONCE)

    def follow(self) -> None:
        """Take up the ledger's new rows, a few at a time."""
        self._follower.follow(self._write)

    def _write(self, rows: list[Entry]) -> None:
        locks = {row.seq: lock for row in rows if (lock := self._lock_of(row)) is not None}
        with self._follower.writing() as (connection, written):
            for row in rows:
                if row.seq <= written:
                    continue
                if row.seq in locks:
                    _take(connection, row, locks[row.seq])
                elif row.kind in {"delivered", "rebased"}:
                    image = row.body["image"]
                    name = f"{image['registry']}/{image['repository']}@sha256:{image['manifest']}"
                    which = _LOCKS.c.subject == row.subject
                    connection.execute(update(_LOCKS).where(which).values(image=name[:600], seq=row.seq))

    def _lock_of(self, row: Entry) -> Lock | None:
        """Return the lock that a row puts on record, or that an approval for no image makes possible."""
        if row.kind == "locked":
            return Lock.parse(row.body["lock"], where=f"ledger row {row.seq}")
        if row.kind != "approved" or row.body.get("image"):
            return None
        before = self._ledger.entries(subject=row.subject, kinds=("requested", "resolved", "built"))
        found = [one.body["closure"] for one in before if one.seq < row.seq and "closure" in one.body]
        if not found:
            return None
        closure = Closure.parse(found[-1], where=f"closure of {row.subject}")
        return Lock(
            name=row.subject,
            closure=closure.digest(),
            workspace=before[0].body["request"].get("workspace", EVERYONE),
            target=closure.target,
            direct=closure.direct,
            conda=closure.conda,
            resolve_before=closure.resolve_before,
            approvals=(),
            artifacts=sorted_artifacts(closure),
        )

    # What is asked.

    def files(self, kind: Kind, project: str) -> tuple[HeldFile, ...]:
        """Return the files of a project that locks hold or held."""
        query = select(_FILES).where(_FILES.c.kind == kind, _FILES.c.project == project).order_by(_FILES.c.filename)
        with self._engine.connect() as connection:
            return tuple(HeldFile(*row) for row in connection.execute(query))

    def files_of(self, hashes: Iterable[str]) -> tuple[HeldFile, ...]:
        """Return the files with these hashes that locks hold or held."""
        with self._engine.connect() as connection:
            return tuple(
                HeldFile(*row)
                for some in batches(sorted(set(hashes)))
                for row in connection.execute(select(_FILES).where(_FILES.c.sha256.in_(some)))
            )

    def holding(self, files: Sequence[HeldFile], *, workspace: str | None = None, limit: int | None = None) -> Holding:
        """Return which locks hold one of these files, and ``limit`` of them, newest first."""
        found: dict[int, list[int]] = {}
        held: set[int] = set()
        with self._engine.connect() as connection:
            for some in batches(file.id for file in files):
                query = select(_HELD.c.file, _HELD.c.lock).where(_HELD.c.file.in_(some))
                if workspace is not None:
                    query = query.join(_LOCKS, _HELD.c.lock == _LOCKS.c.id).where(_LOCKS.c.workspace == workspace)
                for file, lock in connection.execute(query).all():
                    found.setdefault(lock, []).append(file)
                    held.add(file)
            newest = sorted(found, reverse=True)[:limit]
            rows = dict(_described(connection, newest))
        locks = tuple(LockRow(*rows[number], tuple(sorted(found[number]))) for number in newest)
        return Holding(len(found), frozenset(held), locks)

    def count(self) -> int:
        """Return how many locks there are."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(_LOCKS)).scalar_one())


def _described(connection: Connection, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[str, str, str, str, str]]]:
    columns = (_LOCKS.c.id, _LOCKS.c.subject, _LOCKS.c.name, _LOCKS.c.workspace, _LOCKS.c.digest, _LOCKS.c.image)
    for some in batches(numbers):
        for number, subject, name, workspace, digest, image in connection.execute(
            select(*columns).where(_LOCKS.c.id.in_(some))
        ).all():
            yield number, (subject, name, workspace, digest, image)


def _take(connection: Connection, row: Entry, lock: Lock) -> None:
    """Put a lock in place of the one that its request had before."""
    before = connection.execute(select(_LOCKS.c.id).where(_LOCKS.c.subject == row.subject)).scalar()
    if before is not None:
        connection.execute(delete(_HELD).where(_HELD.c.lock == before))
        connection.execute(delete(_LOCKS).where(_LOCKS.c.id == before))
    values = {"id": row.seq, "seq": row.seq, "subject": row.subject, "name": lock.name, "image": ""}
    values |= {"workspace": lock.workspace, "digest": lock_digest(lock)}
    connection.execute(insert(_LOCKS), values)
    ids = _ids(connection, lock.artifacts)
    connection.execute(insert(_HELD), [{"file": number, "lock": row.seq} for number in sorted(set(ids))])


def _ids(connection: Connection, artifacts: Iterable[Artifact]) -> list[int]:
    """Return the number of each file, and give one to those that were never seen."""
    wanted: dict[tuple[str, str, str], Artifact] = {(one.sha256, one.kind, one.project): one for one in artifacts}
    known = dict(_known(connection, wanted))
    fresh = [
        {
            "kind": one.kind,
            "project": one.project,
            "release": one.release[:200],
            "filename": one.filename,
            "sha256": one.sha256,
        }
        for key, one in wanted.items()
        if key not in known
    ]
    if fresh:
        connection.execute(insert(_FILES), fresh)
        known = dict(_known(connection, wanted))
    return [known[key] for key in wanted]


def _known(
    connection: Connection, wanted: Mapping[tuple[str, str, str], object]
) -> Iterator[tuple[tuple[str, str, str], int]]:
    columns = (_FILES.c.id, _FILES.c.sha256, _FILES.c.kind, _FILES.c.project)
    for some in batches(sha256 for sha256, _, _ in wanted):
        for number, *key in connection.execute(select(*columns).where(_FILES.c.sha256.in_(some))):
            yield (str(key[0]), str(key[1]), str(key[2])), int(number)
