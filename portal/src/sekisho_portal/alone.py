"""What a person signed with a key of their own, and so alone, where the policy asks for two. Pure.

The portal signs for whoever it let decide, and knows who they were. A person's own key is one person, whatever names
the record holds.
"""

from collections.abc import Iterable, Sequence

from sekisho.allowlist import Allowlist, RefusedEntry, path_of
from sekisho.policy import Policy
from sekisho.signing import Signature, Trust
from sekisho.vex import SignedVex, vex_path


def approvals_of_enough(found: Allowlist, policy: Policy, trust: Trust) -> Allowlist:
    """Return an allowlist without approvals that one person signed alone for where two have to; they are refused."""
    kept, refused = [], []
    for signed in found.approvals:
        if where := _alone(signed.approval.scope, signed.signature, policy, trust):
            first = signed.approval.artifacts[0]
            path = f"{path_of(first)}, approval {signed.approval.id}"
            refused.append(RefusedEntry(where=path, why=_why(where)))
        else:
            kept.append(signed)
    if not refused:
        return found
    return found.model_copy(update={"approvals": tuple(kept), "refused": (*found.refused, *refused)})


def statements_of_enough(
    found: Sequence[SignedVex], policy: Policy, trust: Trust
) -> tuple[tuple[SignedVex, ...], tuple[RefusedEntry, ...]]:
    """Return the statements that were not signed alone for where two people have to state, and the others, refused."""
    alone = [_alone(one.statement.scope, one.signature, policy, trust) for one in found]
    refused = (
        RefusedEntry(where=f"{vex_path(one.statement.advisory)}, statement {one.statement.id}", why=_why(where))
        for one, where in zip(found, alone, strict=True)
        if where
    )
    return tuple(one for one, where in zip(found, alone, strict=True) if not where), tuple(refused)


def _alone(scope: Iterable[str], signature: Signature, policy: Policy, trust: Trust) -> str:
    """Return the workspaces of ``scope`` for which a person's own key is one person too few."""
    key = trust.keys.get(signature.keyid)
    if key is None or "snapshot" in key.purposes:  # a portal's, of today or of before
        return ""
    return ", ".join(name for name in scope if policy.approvers_for(name) > 1)


def _why(workspaces: str) -> str:
    return f"one person signed it alone, with a key of their own, and {workspaces} asks for two"
