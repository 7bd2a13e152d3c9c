"""A portal with a long past: thousands of requests in the ledger and of approvals in force, laid down at once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from sekisho.allowlist import SignedApproval
from sekisho.ledger import _ROWS, Entry
from sekisho.model import canonical_json
from sekisho.signing import Signature
from tests.records import NOW, approval, artifact, request, sha, snapshot

UNSIGNED = Signature(keyid="0" * 64, sig="")
"""The snapshot in force was checked when it came into force; nothing here checks it again."""


def lay_down(house: Any, *, requests: int, packages: int, projects: int) -> None:
    """Write requests of ``packages`` artifacts each, spread over ``projects`` projects, all approved."""
    rows = [row for number in range(requests) for row in _rows(number, packages, projects)]
    start = house.ledger.size()
    entries = [
        Entry(seq=start + at, at=NOW + timedelta(seconds=at), kind=kind, subject=subject, actor="anna", body=body)
        for at, (kind, subject, body) in enumerate(rows, 1)
    ]
    with house.ledger._engine.begin() as connection:
        connection.execute(insert(_ROWS), [_value(entry) for entry in entries])


def put_in_force(house: Any, *, approvals: int, projects: int) -> None:
    """Have that many approvals in force, several of each project."""
    found = []
    for number in range(approvals):
        of = artifact(f"package-{number % projects}", f"{number // projects}.0")
        found.append(
            SignedApproval(approval=approval(of, id=f"b{number}", request=f"r{number % 100:012x}"), signature=UNSIGNED)
        )
    house.snapshots._snapshot = snapshot(*found, revision=house.repository.head(), sequence=9)


def _rows(number: int, packages: int, projects: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    subject = f"r{number:012x}"
    found = [artifact(f"package-{(number * 7 + step) % projects}", f"{number % 5}.0") for step in range(packages)]
    reason = {"rule": "licence", "outcome": "review", "evidence": "it states no licence"}
    verdicts = [{"purl": a.purl, "sha256": a.sha256, "outcome": "review", "reasons": [reason]} for a in found]
    judgement = {"closure": sha("closure"), "policy": sha("policy"), "at": "2026-11-01T12:00:00Z", "outcome": "review"}
    yield "requested", subject, {"request": request(found[0].project).plain()}
    yield "resolved", subject, {"closure": {"filler": "x" * 300 * packages}}
    yield "inspected", subject, {"facts": [{"filler": "x" * 500 * packages}]}
    yield "judged", subject, {"judgement": {**judgement, "verdicts": verdicts}, "known": 0}
    yield "approval-intended", subject, {"artifacts": [one.sha256 for one in found[:5]]}
    yield "approved", subject, {"id": f"a{number * 6 + 5}", "revision": "0" * 40, "reason": "fine"}


def _value(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq, "at": entry.at.isoformat(), "kind": entry.kind, "subject": entry.subject,
        "actor": entry.actor, "body": canonical_json(entry.body).decode(), "leaf": entry.leaf(),
    }  # fmt: skip
