"""Each commit of the allowlists tree, compiled into a signed snapshot. A bad tree keeps the old one, loudly."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sekisho.allowlist import SignedApproval
from sekisho.backup import RESTORED
from sekisho.errors import CorruptError, MissingToolError, NotFoundError, SekishoError
from sekisho.model import Kind
from sekisho.policy import Policy, SealedSnapshot, Snapshot, compile_snapshot, open_snapshot, parse_policy
from sekisho.policy.frozen import same_content, succeed
from sekisho.policy.sealing import Sealer, collector_at_rest, read_ended
from sekisho.policy.snapshot import Denial, Lapse
from sekisho.policy.weaknesses import Weakness
from sekisho.ports import Tree
from sekisho.revocations import SignedRevocation, parse_revocations, void
from sekisho.signing import Signer, Trust
from sekisho.sources import parse_sources
from sekisho.store import write_atomically
from sekisho.succession import statements_of
from sekisho.vex import SignedVex, parse_vex
from sekisho_portal.alone import approvals_of_enough, statements_of_enough
from sekisho_portal.readings import Readings

_LOG = logging.getLogger("sekisho.portal")
_GAP = 1_000_000
"""Numbers that are left out after a restore: more than were given since any backup."""
_KNOWN = 16
"""Snapshots whose parts are remembered."""


class Rejudges(Protocol):
    """What else decides on a snapshot: revocations on record, and what is known now against what is approved."""

    def stamp(self) -> str:
        """Return what changes when the same tree has to be compiled anew."""
        ...

    def revocations(self) -> tuple[SignedRevocation, ...]:
        """Return every revocation that was ever given."""
        ...

    def lapses(self, snapshot: Snapshot) -> tuple[Lapse, ...]:
        """Return which approved files are shown no more, because what they need may not be had."""
        ...

    def reports(self, policy: Policy) -> str:
        """Return the reports of malicious code, as a snapshot carries them for workspaces that do not enforce."""
        ...

    def denied(self, snapshot: Snapshot) -> tuple[Denial, ...]:
        """Return which approved files the rules deny now."""
        ...

    def weaknesses(self, snapshot: Snapshot) -> tuple[Weakness, ...] | None:
        """Return what is known against approved releases, ``None`` if nothing covers them."""
        ...


class Snapshots:
    """The snapshot in force, kept in a file so that its sequence only grows across restarts."""

    def __init__(
        self,
        tree: Tree,
        signer: Callable[[], Signer],
        trust: Callable[[], Trust],
        *,
        path: Path,
        clock: Callable[[], datetime],
        ask: str,
        again: Rejudges,
    ) -> None:
        self._tree = tree
        self._signer = signer
        self._sealer = Sealer()
        self._trust = trust
        self._path = path
        self._restored = path.with_name(RESTORED.name)
        self._clock = clock
        self._ask = ask
        self._again = again
        self._lock = threading.Lock()
        self._readings = Readings()
        self._snapshot: Snapshot | None = None
        self._before: Snapshot | None = None
        self._sealed: SealedSnapshot | None = None
        self._parts: dict[int, frozenset[str]] = {}
        self._bad_revision = self._compiled_revision = ""
        self._index: tuple[Snapshot, dict[tuple[Kind, str], list[tuple[SignedApproval, tuple[int, ...]]]]] | None = None
        self.problem: dict[str, str] | None = None
        if path.exists():
            self._resume(SealedSnapshot.parse_json(path.read_bytes(), where=str(path)), trust())

    def _resume(self, sealed: SealedSnapshot, trust: Trust) -> None:
        """Go on from the snapshot that was in force; where a key was revoked meanwhile, only as its successor."""
        try:
            self._hold(open_snapshot(sealed, trust), sealed)
        except CorruptError as error:
            self._before = read_ended(sealed, trust)
            _LOG.warning("the policy that was in force does not hold any more, the tree is read anew: %s", error.what)

    def current(self) -> Snapshot:
        """Return the snapshot in force; raise ``NotFoundError`` when the tree never compiled."""
        if self._snapshot is None:
            why = self.problem["title"] if self.problem else "it has not been read yet"
            raise NotFoundError(f"there is no policy in force: {why}", todo="mend the allowlists tree and commit")
        return self._snapshot

    def about(self, kind: Kind, project: str) -> Snapshot:
        """Return the snapshot in force with the approvals of one project only."""
        snapshot, index = self.current(), self._index
        if index is None or index[0] is not snapshot:
            index = snapshot, {}
            for signed, numbers in zip(snapshot.approvals, snapshot.admitted_since(), strict=True):
                first = signed.approval.artifacts[0]
                index[1].setdefault((first.kind, first.project), []).append((signed, numbers))
            self._index = index
        rows = index[1].get((kind, project), ())
        approvals, since = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
        return snapshot.model_copy(update={"approvals": approvals, "since": since})

    def first_source(self, kind: Kind) -> str | None:
        """Return which source of a kind is asked first, if a policy is in force."""
        sources = self._snapshot.sources if self._snapshot else ()
        return next((source.id for source in sources if source.kind == kind), None)

    def sealed(self, known: int | None = None) -> SealedSnapshot:
        """Return the snapshot in force with its signature, without the parts that the snapshot ``known`` had."""
        self.current()
        if self._sealed is None:
            raise NotFoundError("there is no policy in force")
        parts = self._parts.get(known) if known is not None else None
        return self._sealed.without(parts) if parts else self._sealed

    def refresh(self) -> bool:
        """Compile the newest commit if it is not in force yet; tell whether the snapshot changed."""
        with self._lock, collector_at_rest():
            revision = f"{self._tree.revision()} {self._again.stamp()} {self._keys()}"
            if revision == self._compiled_revision:
                self.problem, self._bad_revision = None, ""
            if revision in (self._bad_revision, self._compiled_revision):
                return False
            try:
                snapshot = self._compile()
            except Exception as error:  # noqa: BLE001 (whatever a commit can do to us, the policy in force stays)
                self._refuse(revision, error)
                return self._take_back()
            old = self._snapshot or self._before
            changed = self._sealed is None or old is None or not same_content(old, snapshot)
            gap = _GAP if self._restored.exists() else 0
            changed = changed or bool(gap) or not self._is_sealed_as_now()
            if changed:
                self._put_in_force(succeed(old, snapshot, gap=gap))
                self._restored.unlink(missing_ok=True)
            self._compiled_revision, self.problem, self._bad_revision = revision, None, ""
            return changed

    def _take_back(self) -> bool:
        """Take out of the policy in force what was revoked or is denied since, although the tree cannot be read.

        Anybody who can push can break the tree, and must not keep a word from counting that only takes away.
        """
        old = self._snapshot
        if old is None:
            return False
        try:
            ended = self._trust().revoked
            gone = {digest for said in self._again.revocations() for digest in said.revocation.digests}
            kept = (one for one in old.approvals if one.signature.keyid not in ended or self._holds(one))
            vex = tuple(one for one in old.vex if one.signature.keyid not in ended or self._holds(one))
            approvals = tuple(one for one in kept if not gone or one.approval.digest() not in gone)
            less = {"approvals": approvals, "since": (), "vex": vex, "lapses": ()}
            snapshot = self._knowing(old.model_copy(update={**less, "made": self._clock()}))
            changed = not same_content(old, snapshot) or not self._is_sealed_as_now()
            if changed:
                self._put_in_force(succeed(old, snapshot))
        except Exception:  # noqa: BLE001 (as above: the policy in force stays)
            _LOG.exception("what was revoked or is denied since is still in the policy in force")
            return False
        return changed

    def _holds(self, signed: SignedApproval | SignedVex) -> bool:
        try:
            signed.verify(self._trust())
        except CorruptError:
            return False
        return True

    def _keys(self) -> str:
        """Return what changes with the key that signs, or with those that are trusted."""
        try:
            return f"{self._signer().keyid} {self._trust().stamp}"
        except SekishoError as error:
            return str(error)

    def _is_sealed_as_now(self) -> bool:
        """Tell whether the snapshot in force was sealed by today's key, with all statements on keys beside it."""
        sealed = self._sealed
        by = {one.keyid for one in sealed.head.signatures} if sealed else set()
        return sealed is not None and by == {self._signer().keyid} and sealed.head.keys == statements_of(self._trust())

    def _refuse(self, revision: str, error: Exception) -> None:
        """Remember that ``revision`` is bad, or, where the fault may be ours, only what was wrong this time."""
        ours = isinstance(error, (OSError, MissingToolError))
        told = error if isinstance(error, SekishoError) else SekishoError(f"{type(error).__name__}: {error}"[:500])
        problem = {**told.diagnostics(), "revision": revision.partition(" ")[0]}
        if problem != self.problem:
            foreign = None if isinstance(error, SekishoError) else error
            _LOG.error("policy %s refused, the old one stays: %s", revision[:12], told, exc_info=foreign)
        self.problem, self._bad_revision = problem, "" if ours else revision

    def _put_in_force(self, snapshot: Snapshot) -> None:
        sealed = self._sealer.seal(snapshot, self._signer(), statements_of(self._trust()))
        write_atomically(self._path, sealed.canonical())
        self._hold(snapshot, sealed)
        for entry in snapshot.refused:
            _LOG.warning("an entry of the tree admits nothing: %s: %s", entry.where, entry.why)

    def _hold(self, snapshot: Snapshot, sealed: SealedSnapshot) -> None:
        """Swap to a snapshot; the parts of some before stay known, so that who has one of these gets the rest only."""
        self._parts[snapshot.sequence] = frozenset(sealed.by_hash)
        while len(self._parts) > _KNOWN:
            del self._parts[next(iter(self._parts))]
        self._snapshot, self._sealed = snapshot, sealed

    def _compile(self) -> Snapshot:
        revision, files = self._tree.read()
        for needed in ("policy.yaml", "sources.yaml"):
            if files.get(needed) is None:
                raise NotFoundError(f"the allowlists tree has no {needed}", where=f"revision {revision[:12]}")
        policy = parse_policy(files["policy.yaml"] or "")
        trust = self._trust()
        revocations, refused = parse_revocations(files, trust=trust)
        stated, unexcused = parse_vex(files, trust=trust)
        vex, alone = statements_of_enough(stated, policy, trust)
        found = void(self._readings.read(files, trust), (*revocations, *self._again.revocations()), files)
        found = approvals_of_enough(found, policy, trust)
        snapshot = compile_snapshot(
            found.model_copy(update={"refused": (*found.refused, *refused, *unexcused, *alone)}),
            policy if policy.ask else policy.model_copy(update={"ask": self._ask}),
            parse_sources(files["sources.yaml"] or "").sources,
            revision=revision,
            sequence=old.sequence if (old := self._snapshot or self._before) else 0,
            now=self._clock(),
            vex=vex,
        )
        return self._knowing(snapshot)

    def _knowing(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with what is known now against what it approves."""
        known = {
            "denied": self._again.denied(snapshot),
            "weaknesses": self._again.weaknesses(snapshot),
            "reports": self._again.reports(snapshot.policy),
        }
        snapshot = snapshot.model_copy(update=known)
        return snapshot.model_copy(update={"lapses": self._again.lapses(snapshot)})
