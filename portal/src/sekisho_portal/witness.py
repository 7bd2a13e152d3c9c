"""What other people's keys signed goes on record once it is in force: its place in the ledger tells when that was.

What the portal signs itself is on record with the decision. An approver's own key signs elsewhere; if it has to be
revoked one day, what was in force before that stands, and the dates in it need not be believed.
"""

from collections.abc import Callable, Iterator

from sekisho.ledger import Ledger
from sekisho.policy import Snapshot
from sekisho.rotation import SEEN
from sekisho.signing import Trust
from sekisho_portal.means import POLICY


class Witness:
    """Names what it sees in the ledger, once."""

    def __init__(self, ledger: Ledger, trust: Callable[[], Trust]) -> None:
        self._ledger = ledger
        self._trust = trust
        self._known: set[str] | None = None

    def unseen(self, snapshot: Snapshot) -> dict[str, list[str]]:
        """Return, by key, the digests of entries in force that no row names yet."""
        own = {keyid for keyid, key in self._trust().keys.items() if key.name == "portal"}
        found: dict[str, list[str]] = {}
        for keyid, digest in _foreign(snapshot, own):
            if digest not in self._seen():
                found.setdefault(keyid, []).append(digest)
        return found

    def note(self, snapshot: Snapshot) -> None:
        """Put what is unseen on record."""
        for keyid, digests in self.unseen(snapshot).items():
            self._ledger.append(SEEN, keyid, actor=POLICY, body={"key": keyid, "digests": sorted(digests)})
            self._seen().update(digests)

    def _seen(self) -> set[str]:
        if self._known is None:
            self._known = {digest for row in self._ledger.entries(kinds=(SEEN,)) for digest in row.body["digests"]}
        return self._known


def _foreign(snapshot: Snapshot, own: set[str]) -> Iterator[tuple[str, str]]:
    for signed in snapshot.approvals:
        if signed.signature.keyid not in own:
            yield signed.signature.keyid, signed.approval.digest()
    for stated in snapshot.vex:
        if stated.signature.keyid not in own:
            yield stated.signature.keyid, stated.statement.digest()
