"""What every act of the portal works with: the ledger, the tree, the snapshot in force, a key, a clock."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sekisho.errors import ConflictError, CorruptError, NotFoundError, SekishoError
from sekisho.ledger import ORIGIN, Entry, Ledger
from sekisho.signing import Signer, Trust
from sekisho.store import write_atomically
from sekisho.turn import Turn
from sekisho_portal.snapshots import Snapshots
from sekisho_portal.standing import Standing
from sekisho_portal.tree import GitTree

_LOG = logging.getLogger("sekisho.portal")
_COMMIT_TRIES = 5
POLICY = "policy"
"""The actor of what the policy decides by itself."""

Changes = Callable[[Mapping[str, str | None]], Mapping[str, str]]
"""From the texts of a tree to those that change."""


@dataclass(slots=True)
class Means:
    """The outside of the acts. Decisions are taken one after another: whoever takes one holds ``deciding``.

    ``sign_with`` is asked for each act, so that a key that was rotated signs the next one. ``url`` and ``door`` are
    where others reach portal and proxy.
    """

    ledger: Ledger
    tree: GitTree
    snapshots: Snapshots
    sign_with: Callable[[], Signer]
    clock: Callable[[], datetime]
    url: str
    checkpoint: Path
    trust: Callable[[], Trust]
    deciding: Turn
    door: str = ""

    @property
    def signer(self) -> Signer:
        """Return the key that signs now."""
        return self.sign_with()

    @property
    def statements(self) -> Path:
        """Return the folder of what approvals say to others, one file for each."""
        return self.checkpoint.with_name("statements")

    def standing(self, request_id: str) -> Standing:
        """Return where a request stands; raise ``NotFoundError`` for an unknown one."""
        rows = self.ledger.entries(subject=request_id)
        if not rows or rows[0].kind != "requested":
            raise NotFoundError(f"there is no request {request_id[:80]}", todo="list them with `sekisho status`")
        return Standing(rows)

    def all(self) -> list[Standing]:
        """Return every request, newest first, without closures and facts."""
        grouped: dict[str, list[Entry]] = {}
        for row in self.ledger.entries(without=("resolved", "inspected", "built")):
            grouped.setdefault(row.subject, []).append(row)
        standings = [Standing(rows) for rows in grouped.values() if rows[0].kind == "requested"]
        return sorted(standings, key=lambda standing: standing.rows[0].seq, reverse=True)

    def commit(self, changes: Changes, message: str, intent: Entry) -> str:
        """Commit on top of whatever people have committed meanwhile, unless it is there already; return the revision.

        Only the tree says so: anybody can write a commit message. The trailer is for people.
        """
        for _ in range(_COMMIT_TRIES):
            base, files = self.tree.read()
            found = changes(files)
            if not found:
                return base
            with suppress(ConflictError):
                trailer = f"Sekisho-Ledger: {intent.seq}"
                return self.tree.commit(found, base=base, message=message, trailers=[trailer])
        raise ConflictError("the allowlists tree is committed to all the time", todo="try again")

    def keep_checkpoint(self) -> None:
        """Sign what the ledger says now, for ``sekisho audit verify``; one that the ledger contradicts is kept."""
        try:
            if self.checkpoint.exists():
                self.ledger.check(self.checkpoint.read_text(), self.trust())
            write_atomically(self.checkpoint, self.ledger.checkpoint(ORIGIN, self.signer).encode())
        except CorruptError as error:
            _LOG.critical("the ledger is not what was signed, see `sekisho audit verify`: %s", error)
        except (OSError, SekishoError):
            _LOG.exception("no checkpoint of the ledger could be written; the decision stands")
