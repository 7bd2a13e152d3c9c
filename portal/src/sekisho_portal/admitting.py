"""How an approval enters the tree, in three steps.

Intent in the ledger, one commit that carries the intent's number as a trailer, and the ledger row that says it was
applied. ``apply`` may be called again after a crash: what is there already is not written twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sekisho_portal
from sekisho.allowlist import SignedApproval, add_approvals, path_of, sign_approval
from sekisho.attestation import ENDING, Admission, attest, attest_built, write_statements
from sekisho.errors import ConflictError
from sekisho.ledger import Entry
from sekisho.model import Approval, Artifact, Closure, Slug, sha256_hex
from sekisho.signing import Signer
from sekisho.store import write_atomically
from sekisho_portal.judging import Judging
from sekisho_portal.means import Means
from sekisho_portal.standing import Standing

APPLIED = {"approval-intended": "approved", "break-glass-intended": "break-glass"}
"""Each intent, and the row that says it was applied."""


class Admitting:
    """Writes approvals."""

    def __init__(self, means: Means, judging: Judging) -> None:
        self._means = means
        self._judging = judging

    def admit(
        self,
        standing: Standing,
        approver: str,
        *,
        reason: str,
        expires: datetime | None,
        scope: tuple[Slug, ...] = (),
        seconded_by: str | None = None,
    ) -> None:
        """Approve what of a closure is not approved yet in all of ``scope``, or where it was asked for.

        In a sandbox it is for as long as that allows.
        """
        wide = scope or (standing.request.workspace,)
        judged = [self._judging.judge(standing, name) for name in wide]
        had = frozenset.intersection(*(row.approved for row in judged))
        fresh = [row.sha256 for row in judged[0].judgement.verdicts if row.sha256 not in had]
        expires = self._means.snapshots.current().policy.check_scope(wide, expires, self._means.clock())
        more: dict[str, Any] = {"seconded_by": seconded_by} if seconded_by else {}
        more |= {"scope": list(scope)} if scope else {}
        policy = judged[0].judgement.policy
        self.intend("approval-intended", standing, approver, reason, expires, fresh, policy=policy, **more)

    def intend(
        self,
        kind: str,
        standing: Standing,
        approver: str,
        reason: str,
        expires: datetime | None,
        artifacts: Sequence[str],
        **more: Any,  # noqa: ANN401 (what the row holds besides)
    ) -> None:
        """Record what is going to be approved, and do it."""
        body = {
            "approved_by": approver,
            "reason": reason,
            "expires": expires.isoformat() if expires else None,
            "artifacts": list(artifacts),
            **more,
        }
        self.apply(standing, self._means.ledger.append(kind, standing.id, actor=approver, body=body))

    def apply(self, standing: Standing, intent: Entry) -> None:
        """Commit what was intended, and record that."""
        signer = self._means.signer
        then = Standing([row for row in standing.rows if row.seq < intent.seq])
        closure = then.closure()
        if closure is None:
            raise ConflictError(f"request {standing.id} is not resolved yet")
        signed = self._sign(then, closure, intent, signer)
        kept = self._attest(then, closure, intent, signed, signer) if signed else None
        verb = "Break glass for" if intent.kind == "break-glass-intended" else "Approve"
        message = f"{verb} {len(signed)} projects for {', '.join(_scope(intent, then))} ({standing.id})"
        revision = self._commit(signed, message, intent)
        self._means.snapshots.refresh()
        body = {
            **intent.body,
            "id": f"a{intent.seq}",
            "revision": revision,
            "artifacts": len(intent.body["artifacts"]),
            "image": standing.request.image,
            **({"build": True} if closure.builds else {}),
            "key": signer.keyid,
            "digests": [row.approval.digest() for row in signed],
            "statements": kept,
        }
        if intent.kind == "break-glass-intended":
            body["names"] = [row.approval.artifacts[0].name for row in signed]
        self._means.ledger.append(APPLIED[intent.kind], standing.id, actor=intent.actor, body=body)
        self._means.keep_checkpoint()

    def _commit(self, signed: Sequence[SignedApproval], message: str, intent: Entry) -> str:
        if not signed:
            return self._means.tree.revision()
        revision = self._means.commit(lambda files: add_approvals(files, signed), message, intent)
        firsts = [row.approval.artifacts[0] for row in signed]
        self._means.tree.show([path_of(first) for first in firsts])
        return revision

    def _attest(
        self, then: Standing, closure: Closure, intent: Entry, signed: Sequence[SignedApproval], signer: Signer
    ) -> str:
        """Keep what the approval says to others; return the digest of the file, which goes on record."""
        sources = self._means.snapshots.current().sources
        admission = Admission(
            closure=closure,
            facts=then.facts(),
            inspected=then.last["inspected"].at if "inspected" in then.last else None,
            judgement=then.judgement(),
            platform=self._means.url,
            version=sekisho_portal.__version__,
            door=self._means.door,
            registries={source.id: source.url for source in sources if source.url},
        )
        made = attest((row.approval for row in signed), admission, signer)
        made += attest_built(then.built(), self._means.url, signer)
        data = write_statements(made)
        write_atomically(self._means.statements / f"a{intent.seq}{ENDING}", data)
        return sha256_hex(data)

    def _sign(self, then: Standing, closure: Closure, intent: Entry, signer: Signer) -> list[SignedApproval]:
        facts = then.facts()
        wanted = set(intent.body["artifacts"])
        by_file: dict[str, list[Artifact]] = {}
        for artifact in closure.files:
            if artifact.sha256 in wanted:
                measured = facts.get(artifact.sha256)
                complete = measured.complete(artifact) if measured else artifact
                by_file.setdefault(path_of(artifact), []).append(complete)
        return [
            sign_approval(
                Approval(
                    id=f"a{intent.seq}",
                    request=then.id,
                    closure=closure.digest(),
                    policy=intent.body["policy"],
                    requested_by=then.request.requester,
                    approved_by=intent.body["approved_by"],
                    seconded_by=intent.body.get("seconded_by"),
                    reason=intent.body["reason"],
                    scope=_scope(intent, then),
                    at=intent.at,
                    expires=intent.body["expires"],
                    break_glass=intent.kind == "break-glass-intended",
                    artifacts=tuple(artifacts),
                ),
                signer,
            )
            for artifacts in by_file.values()
        ]

    def left(self) -> list[Entry]:
        """Return the intents that a crash kept from being applied."""
        applied = {row.body["id"] for row in self._means.ledger.entries(kinds=APPLIED.values())}
        intents: Iterable[Entry] = self._means.ledger.entries(kinds=APPLIED)
        return [intent for intent in intents if f"a{intent.seq}" not in applied]


def _scope(intent: Entry, standing: Standing) -> tuple[Slug, ...]:
    """Return the workspaces of an intent: that of the request, unless the approver named more."""
    return tuple(intent.body.get("scope") or (standing.request.workspace,))
