"""Approvers take back what was approved, and say where an advisory does not matter: signed, on record, in the tree."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from sekisho.allowlist import SignedApproval
from sekisho.errors import BadInputError, NotFoundError, RefusedError
from sekisho.ledger import Entry
from sekisho.model import normalize_release, read_node
from sekisho.revocations import Revocation, SignedRevocation, revocation_path, revoke_in, sign_revocation
from sekisho.tokens import Identity
from sekisho.vex import SignedVex, VexStatement, add_vex, sign_vex, vex_path
from sekisho_portal.means import Means
from sekisho_portal.words import check_words

_APPROVAL = re.compile(r"a[0-9]{1,18}")
EXCUSED = "vex"
"""The subject of the ledger's rows on statements."""


class Revoking:
    """The acts by which something ends, or stops to matter."""

    def __init__(self, means: Means) -> None:
        self._means = means

    # Revocations.

    def revoke(self, who: Identity, what: str, *, reason: str, workspace: str | None = None) -> list[Revocation]:
        """Revoke an approval, named by its id, or every approval of a project or of one release of it.

        With ``workspace`` only those that hold there. In force at once, and for good: the same signed entries admit
        nothing when somebody puts them back.
        """
        self._may(who, "revoke", what)
        check_words(reason)
        chosen = self._choose(what, workspace)
        if not chosen:
            where = f" in workspace {workspace}" if workspace else ""
            raise NotFoundError(f"nothing that is approved{where} is called {what[:80]!r}", todo="see `sekisho why`")
        by_id: dict[tuple[str, str], list[SignedApproval]] = {}
        for signed in chosen:
            by_id.setdefault((signed.approval.id, signed.approval.request), []).append(signed)
        return [self._revoke(who, name, request, rows, reason) for (name, request), rows in by_id.items()]

    def _choose(self, what: str, workspace: str | None) -> list[SignedApproval]:
        held = [
            signed
            for signed in self._means.snapshots.current().approvals
            if workspace is None or workspace in signed.approval.scope
        ]
        if _APPROVAL.fullmatch(what):
            return [signed for signed in held if signed.approval.id == what]
        name, _, release = what.partition("==")
        kind, project = read_node(name)
        wanted = normalize_release(kind, release.strip()) if release else None
        return [
            signed
            for signed in held
            if any(
                (row.kind, row.project) == (kind, project) and wanted in (None, row.release)
                for row in signed.approval.artifacts
            )
        ]

    def _revoke(self, who: Identity, name: str, request: str, rows: list[SignedApproval], reason: str) -> Revocation:
        revocation = Revocation(
            id=f"k{self._means.ledger.size() + 1}",
            approval=name,
            request=request,
            digests=tuple(signed.approval.digest() for signed in rows),
            names=tuple(artifact.name for signed in rows for artifact in signed.approval.artifacts),
            revoked_by=who.name,
            reason=reason,
            at=self._means.clock(),
        )
        signed = sign_revocation(revocation, self._means.signer)
        intent = self._means.ledger.append(
            "revocation-intended", request, actor=who.name, body={"signed": signed.plain()}
        )
        self._means.snapshots.refresh()  # the intent is enough: it holds before the tree shows it
        self._apply_revocation(intent)
        return revocation

    def _apply_revocation(self, intent: Entry) -> None:
        signed = SignedRevocation.parse(intent.body["signed"], where=f"ledger row {intent.seq}")
        said = signed.revocation
        projects: set[str] = set()

        def changes(files: Any) -> dict[str, str]:  # noqa: ANN401 (a tree's texts)
            changed = revoke_in(files, signed)
            projects.update(changed)
            return changed

        count = len(said.digests)
        message = f"Revoke {count} project{'s' if count != 1 else ''} of approval {said.approval} ({said.request})"
        revision = self._means.commit(changes, message, intent)
        self._means.tree.show(projects or {revocation_path(said.id)})
        self._finish("revoked", intent, {"id": said.id, "approval": said.approval, "names": list(said.names),
                                         "reason": said.reason, "revision": revision})  # fmt: skip

    # Statements.

    def state(self, who: Identity, words: dict[str, Any]) -> VexStatement:
        """Say that an advisory does not matter for some releases; raise ``BadInputError`` for what is no statement."""
        self._may(who, "state", str(words.get("advisory", ""))[:80])
        if unknown := set(words) & {"id", "at", "requested_by", "approved_by", "status"}:
            raise BadInputError(f"not for a caller to say: {', '.join(sorted(unknown))}", where="statement")
        if words.get("impact"):
            check_words(str(words["impact"]), what="impact", todo="say in a sentence why it does not matter")
        filled = {
            **words,
            "id": f"v{self._means.ledger.size() + 1}",
            "requested_by": who.name,
            "approved_by": who.name,
            "at": self._means.clock(),
        }
        statement = VexStatement.parse(filled, where="statement")
        if statement.expires is not None and statement.expires <= self._means.clock():
            raise BadInputError("the statement would have ended already", where="expires", todo="name a later time")
        signed = sign_vex(statement, self._means.signer)
        intent = self._means.ledger.append("vex-intended", EXCUSED, actor=who.name, body={"signed": signed.plain()})
        self._apply_vex(intent)
        return statement

    def _apply_vex(self, intent: Entry) -> None:
        signed = SignedVex.parse(intent.body["signed"], where=f"ledger row {intent.seq}")
        said = signed.statement
        message = (
            f"State that {said.advisory} does not affect {said.project} {', '.join(said.releases[:5])} ({said.id})"
        )
        revision = self._means.commit(lambda files: add_vex(files, signed), message, intent)
        self._means.tree.show({vex_path(said.advisory)})
        self._finish("vex-stated", intent, {"id": said.id, "advisory": said.advisory, "revision": revision})

    def _finish(self, kind: str, intent: Entry, body: dict[str, Any]) -> None:
        self._means.snapshots.refresh()
        self._means.ledger.append(kind, intent.subject, actor=intent.actor, body=body)
        self._means.keep_checkpoint()

    def left(self) -> Iterable[tuple[Entry, Callable[[Entry], None]]]:
        """Yield the intents that a crash kept from being applied, and what applies them."""
        for wanted, done, apply in (
            ("revocation-intended", "revoked", self._apply_revocation),
            ("vex-intended", "vex-stated", self._apply_vex),
        ):
            applied = {row.body["id"] for row in self._means.ledger.entries(kinds=(done,))}
            for row in self._means.ledger.entries(kinds=(wanted,)):
                part = row.body["signed"]
                if part.get("revocation", part.get("statement"))["id"] not in applied:
                    yield row, apply

    def _may(self, who: Identity, action: str, what: str) -> None:
        if not who.has("approver"):
            problem = RefusedError(f"{who.name} is not an approver", where=f"{action} {what[:80]}")
            self._means.ledger.append(
                "attempt-refused",
                action,
                actor=who.name,
                body={"action": action, "what": what[:200], "why": problem.what},
            )
            raise problem
