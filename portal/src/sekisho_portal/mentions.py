"""Which requests concern a project: an index over the ledger. Derived, so it can be thrown away and is made again."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from packaging.requirements import Requirement
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, case, func, insert, or_, select

from sekisho.ledger import Entry, Ledger
from sekisho.model import Kind, normalize_project, spec_name
from sekisho_portal.follower import Follower

_KINDS = ("requested", "judged", "approval-intended")
_AT_ONCE = 50
_Project = tuple[str, str]
_TABLE = Table(
    "mentions_by_workspace",
    MetaData(),
    Column("kind", String(20), primary_key=True),
    Column("project", String(200), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False, index=True),
    Column("what", String(40), nullable=False),
    Column("release", String(200), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("workspace", String(63), primary_key=True),
)


class Intent(NamedTuple):
    """An approval of a project that was given once: row ``seq`` of the ledger, on ``request``."""

    seq: int
    request: str


class Mentions:
    """The index. ``follow`` reads what the ledger gained since it was called last."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._follower = Follower(engine, ledger, (_TABLE,), kinds=_KINDS, at_once=_AT_ONCE)

    def follow(self) -> None:
        """Take up the ledger's new rows, a few at a time."""
        self._follower.follow(self._write)

    def _write(self, rows: list[Entry]) -> None:
        values = [value for row in rows for value in self._values(row)]
        with self._follower.writing() as (connection, written):
            fresh = [value for value in values if value["seq"] > written]
            if fresh:
                connection.execute(insert(_TABLE), fresh)

    def _values(self, row: Entry) -> Iterable[dict[str, Any]]:
        workspace = ""
        if row.kind == "requested":
            workspace, found = _asked(row)
        elif row.kind == "judged":
            found = {project: release for project, release, _ in _judged(row)}
        else:
            asked, *judged = self._ledger.entries(subject=row.subject, kinds=("requested", "judged"))
            workspace, _ = _asked(asked)
            admitted = set(row.body["artifacts"])
            before = [entry for entry in judged if entry.seq < row.seq][-1:]
            files = [file for entry in before for file in _judged(entry)]
            found = {project: release for project, release, sha256 in files if sha256 in admitted}
        for name in row.body.get("scope", [workspace]):
            for (kind, project), release in found.items():
                yield {
                    "kind": kind, "project": project, "seq": row.seq, "what": row.kind, "release": release[:200],
                    "subject": row.subject, "workspace": name,
                }  # fmt: skip

    def requests(self, kind: Kind, project: str, release: str | None, *, limit: int) -> tuple[int, list[str]]:
        """Return how many requests concern a project, and the newest.

        With ``release``, those that were judged on it, or not judged at all yet.
        """
        newest = func.max(_TABLE.c.seq)
        query = select(_TABLE.c.subject).where(_TABLE.c.kind == kind, _TABLE.c.project == project)
        query = query.group_by(_TABLE.c.subject)
        if release is not None:
            hit = func.max(case((_TABLE.c.release == release, 1), else_=0))
            query = query.having(or_(hit == 1, func.max(_TABLE.c.release) == ""))
        with self._engine.connect() as connection:
            total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
            return int(total), list(connection.execute(query.order_by(newest.desc()).limit(limit)).scalars())

    def admissions(self, kind: Kind, project: str, release: str | None, workspace: str, *, limit: int) -> list[Intent]:
        """Return the newest approvals that were given for a project, whether or not they are in force."""
        wanted = [_TABLE.c.kind == kind, _TABLE.c.project == project, _TABLE.c.what == "approval-intended"]
        wanted.append(_TABLE.c.workspace == workspace)
        if release is not None:
            wanted.append(_TABLE.c.release == release)
        query = select(_TABLE.c.seq, _TABLE.c.subject).where(*wanted).order_by(_TABLE.c.seq.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [Intent(row.seq, row.subject) for row in connection.execute(query)]


def _asked(row: Entry) -> tuple[str, dict[_Project, str]]:
    """Return workspace and the projects that a request names."""
    request = row.body["request"]
    kind = request.get("kind", "pypi")
    names = {(kind, normalize_project(kind, Requirement(text).name)): "" for text in request.get("requirements", ())}
    names |= {("conda", spec_name(text)): "" for text in request.get("conda", ())}
    return request.get("workspace", "everyone"), names


def _judged(row: Entry) -> list[tuple[_Project, str, str]]:
    """Return (project, release, sha256) of every verdict; a purl is ``pkg:<kind>/<project>@<release>?…``."""
    found = []
    for verdict in row.body["judgement"]["verdicts"]:
        kind, _, rest = verdict["purl"].partition("?")[0].removeprefix("pkg:").partition("/")
        name, _, release = rest.rpartition("@")
        found.append(((kind, unquote(name)), unquote(release), verdict["sha256"]))
    return found
