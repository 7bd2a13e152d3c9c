"""The advisories that the portal judges by: imported files, and the index that was made of them.

Every input and every index lies in a file named by its digest; ``current.json`` names those in force and is replaced
last, so that an import is whole or never was. Each of OSV, KEV, EPSS and what conda packages are called is imported
by itself; the others stay.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field

from sekisho.advisories import AdvisoryIndex, FeedName, ImportName
from sekisho.advisories.exploited import Exploitation, read_epss, read_kev
from sekisho.advisories.names import read_names
from sekisho.disk import sweep
from sekisho.errors import ConflictError, CorruptError, NotFoundError, SekishoError
from sekisho.ledger import Ledger
from sekisho.model import Moment, Record, Sha256
from sekisho.policy import Policy
from sekisho.policy.knowledge import NO_ADVISORIES
from sekisho.store import write_atomically
from sekisho.tokens import Identity
from sekisho_portal.words import has_controls, require

_LOG = logging.getLogger("sekisho.portal")
_KEPT = 3
"""Indexes that are kept, with what they were made of."""

_SHRINKS = 0.9
SUBJECT = "advisories"


class Input(Record):
    """A file that was imported: what it was called there, its digest, and when its data is of."""

    name: Annotated[str, Field(max_length=300)]
    sha256: Sha256
    taken: Moment
    imported: Moment


class Edition(Record):
    """One index and what it was made of. ``number`` only grows."""

    number: int
    index: Sha256
    at: Moment
    by: str
    advisories: int
    records: int
    withdrawn: int
    skipped: int
    inputs: Mapping[ImportName, Input]


class Feeds:
    """The index in force. One that cannot be read counts as none: nothing is clean then, and everybody is told."""

    def __init__(self, folder: Path, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self.edition: Edition | None = None
        self.index: AdvisoryIndex = NO_ADVISORIES
        self.problem: dict[str, str] | None = None
        self._open()

    def _open(self) -> None:
        current = self._folder / "current.json"
        if not current.exists():
            return
        sweep(self._folder, ".*." + "[0-9a-f]" * 32)
        try:
            edition = Edition.parse_json(current.read_bytes(), where=str(current))
            self.index = AdvisoryIndex.load(self._read(edition.index), where=str(self._folder / edition.index))
            self.edition = edition
        except (OSError, SekishoError) as error:
            told = error if isinstance(error, SekishoError) else CorruptError(str(error), where=str(current))
            self.problem = {**told.diagnostics(), "todo": "import the advisories again"}
            _LOG.critical("the advisories cannot be read, nothing counts as clean: %s", told)
            return
        rows = self._ledger.entries(subject=SUBJECT, kinds=("advisories-imported",))
        if not rows or rows[-1].body["index"] != edition.index:  # killed between the file and the row
            self._record(edition)

    def _read(self, sha256: str) -> bytes:
        data = (self._folder / sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise CorruptError("the file is not what was written", where=str(self._folder / sha256))
        return data

    @property
    def stamp(self) -> str:
        """Return what names the index in force."""
        return self.edition.index if self.edition else ""

    def take(self, who: Identity, feed: ImportName, data: bytes, name: str, *, smaller: bool = False) -> Edition:
        """Import one file; raise and keep the old index if anything is wrong with it.

        ``ConflictError`` for data that is older than what is in force, and, unless ``smaller`` is meant, for advisories
        of which many have vanished.
        """
        require(who, "admin")
        name = name[:300] if name and not has_controls(name) else feed
        with self._lock:
            try:
                return self._take(who.name, feed, data, name, smaller=smaller)
            except SekishoError as error:
                self.problem = {**error.diagnostics(), "feed": feed}
                self._ledger.append(
                    "import-refused",
                    SUBJECT,
                    actor=who.name,
                    body={"feed": feed, "name": name, "why": error.what[:500]},
                )
                _LOG.error("an import of %s was refused, the old index stays: %s", feed, error)
                raise

    def _take(self, actor: str, feed: ImportName, data: bytes, name: str, *, smaller: bool) -> Edition:
        old, now = self.edition, self._clock()
        if old is None and feed != "osv":
            raise NotFoundError(f"there are no advisories yet that {feed} could speak of", todo="import OSV first")
        files: dict[ImportName, bytes] = {
            one: self._read(row.sha256) for one, row in (old.inputs if old else {}).items()
        }
        files[feed] = data
        names = {one: row.name for one, row in (old.inputs if old else {}).items()} | {feed: name}
        from sekisho.advisories.zip_import import read_osv  # noqa: PLC0415 (its CVSS library is slow to load)

        made = read_osv(BytesIO(files["osv"]), where=names["osv"], now=now, exploitation=_exploitation(files, names))
        index = made.advisories
        if "conda" in files:
            index = index.named(read_names(BytesIO(files["conda"]), where=names["conda"]))
        digest = hashlib.sha256(data).hexdigest()
        taken = index.feeds.get(feed, now)  # what conda packages are called has no date
        count = len(index.advisories)
        if old:
            _check(old, feed, taken, count, name, smaller=smaller)
        packed = index.dump()
        edition = Edition(
            number=old.number + 1 if old else 1,
            index=hashlib.sha256(packed).hexdigest(),
            at=now,
            by=actor,
            advisories=count,
            records=made.records,
            withdrawn=made.withdrawn,
            skipped=made.skipped,
            inputs={**(old.inputs if old else {}), feed: Input(name=name, sha256=digest, taken=taken, imported=now)},
        )
        write_atomically(self._folder / digest, data)
        write_atomically(self._folder / edition.index, packed)
        write_atomically(self._folder / f"edition-{edition.number:06}.json", edition.canonical())
        write_atomically(self._folder / "current.json", edition.canonical())
        self.index, self.edition, self.problem = index, edition, None
        self._record(edition)
        self._forget()
        return edition

    def _record(self, edition: Edition) -> None:
        self._ledger.append("advisories-imported", SUBJECT, actor=edition.by, body=edition.plain())

    def _forget(self) -> None:
        """Remove what no kept edition is made of."""
        editions = sorted(self._folder.glob("edition-*.json"))
        for old in editions[:-_KEPT]:
            old.unlink(missing_ok=True)
        kept = set()
        for path in editions[-_KEPT:]:
            value = json.loads(path.read_bytes())
            kept |= {value["index"], *(row["sha256"] for row in value["inputs"].values())}
        for path in self._folder.glob("[0-9a-f]" * 64):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def plain(self, policy: Policy) -> dict[str, Any]:
        """Return what is in force, how old it is, and what was wrong with the last import."""
        edition = self.edition
        leaned = {feed for rule in policy.rules for feed in rule.feeds}
        there = {name for name in get_args(FeedName) if edition and name in edition.inputs}
        feeds = {}
        for feed in sorted(leaned | there):
            taken = self.index.feeds.get(feed)
            age = self._clock() - taken if taken else None
            feeds[feed] = {
                "taken": taken.isoformat() if taken else None,
                "days": age.days if age else None,
                "limit": policy.oldest(feed).days,
                "state": _state(age, policy, feed),
                "needed": feed in leaned,
            }
        return {
            "feeds": feeds,
            "advisories": edition.model_dump(mode="json") if edition else None,
            "advisories_problem": self.problem,
        }


def _state(age: timedelta | None, policy: Policy, feed: FeedName) -> str:
    if feed in policy.absent:
        return "absent"
    if age is None:
        return "missing"
    return "stale" if age > policy.oldest(feed) else "fresh"


def _exploitation(files: Mapping[ImportName, bytes], names: Mapping[ImportName, str]) -> Exploitation:
    said = Exploitation()
    if "kev" in files:
        known, taken = read_kev(BytesIO(files["kev"]), where=names["kev"])
        said = said._replace(known=known, known_taken=taken)
    if "epss" in files:
        likely, taken = read_epss(BytesIO(files["epss"]), where=names["epss"])
        said = said._replace(likely=likely, likely_taken=taken)
    return said


def _check(old: Edition, feed: ImportName, taken: datetime, count: int, name: str, *, smaller: bool) -> None:
    """Raise ``ConflictError`` for a file older than the one in force, or one that has lost too much."""
    before = old.inputs.get(feed)
    if before and taken < before.taken:
        raise ConflictError(
            f"this is of {taken:%Y-%m-%d}, older than what is in force, of {before.taken:%Y-%m-%d}",
            where=name,
            todo="fetch a newer file",
        )
    if count < _SHRINKS * old.advisories and not smaller:
        raise ConflictError(
            f"it has {count} advisories, and {old.advisories} are in force",
            where=name,
            todo="fetch it again; if so many were really taken back, import it with --smaller",
        )
