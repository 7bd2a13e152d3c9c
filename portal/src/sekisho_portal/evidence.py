"""What an approver sees beside an exception: what was measured of the file, and what is approved of its project."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sekisho.model import Artifact, Facts
from sekisho.policy import Door, Snapshot

_NATIVE = 3
"""Compiled members that are named; the rest is counted."""


def measured(file: Artifact, facts: Facts | None) -> dict[str, Any]:
    """Return what is known of a file, in words for a person; what is unknown is not in it."""
    found: dict[str, Any] = {"size": facts.size if facts else file.size}
    if file.uploaded:
        found["uploaded"] = file.uploaded.isoformat()
    if facts is None:
        return found
    licence = facts.license_expression or facts.license_hint or "; ".join(facts.license_classifiers)
    more = f" and {len(facts.native) - _NATIVE} more" if len(facts.native) > _NATIVE else ""
    told = {
        "licence": licence[:200],
        "native": ", ".join(facts.native[:_NATIVE]) + more,
        "publisher": ", ".join(dict.fromkeys(f"{one.publisher} {one.repository}" for one in facts.attestations)),
    }
    return found | {key: value for key, value in told.items() if value}


def with_approved(
    rows: Iterable[dict[str, Any]], snapshot: Snapshot, workspace: str, now: datetime
) -> list[dict[str, Any]]:
    """Return exceptions with the releases of their projects that the workspace has, which a new one stands beside."""
    door = Door(snapshot, workspace)
    return [
        {
            **row,
            "approved": sorted({one.artifact.release for one in door.admitted(row["kind"], row["project"], now)}),
        }
        for row in rows
    ]
