"""Statements on advisories as people see them: where each counts, and where more people have to say the same. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sekisho.errors import NotFoundError
from sekisho.policy import Snapshot
from sekisho.policy.knowledge import Advisories
from sekisho.vex import Excuses, VexStatement
from sekisho_portal.approved_files import ends_after

_WORDS = frozenset({"advisory", "kind", "project", "releases", "justification", "impact", "scope", "expires"})
"""What a person says; the rest of a statement is the portal's."""


def stated(snapshot: Snapshot, advisories: Advisories, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the statements in force.

    ``missing`` says by workspace how many more people have to say the same there, ``said_by`` who has in all of them.
    """
    excuses = Excuses(signed.statement for signed in snapshot.vex)
    for signed in snapshot.vex:
        one = signed.statement
        if ends_after(one.expires, now):
            people = {workspace: _people(excuses, one, advisories, workspace, now) for workspace in one.scope}
            counts = {name: snapshot.policy.approvers_for(name) - len(found) for name, found in people.items()}
            yield {
                **one.plain(),
                "scope": list(one.scope),
                "digest": one.digest(),
                "said_by": sorted(set.intersection(*people.values())),
                "missing": {name: count for name, count in counts.items() if count > 0},
            }


def _people(excuses: Excuses, one: VexStatement, advisories: Advisories, workspace: str, now: datetime) -> set[str]:
    """Return who says the same in a workspace, of every release that ``one`` names."""
    found = []
    for release in one.releases:
        named = advisories.known_as(one.kind, one.project)
        hits = [hit for subject in named for hit in advisories.affecting(*subject, release)]
        names = {
            one.advisory,
            *(name for hit in hits if one.advisory in hit.advisory.names for name in hit.advisory.names),
        }
        found.append(set(excuses.said(names, (one.kind, one.project, release), workspace, now)[one.justification]))
    return set.intersection(*found)


def words_of(snapshot: Snapshot, digest: str) -> dict[str, Any]:
    """Return what a person said in a statement; raise ``NotFoundError`` if there is none of this digest."""
    for signed in snapshot.vex:
        if signed.statement.digest() == digest:
            return {key: value for key, value in signed.statement.plain().items() if key in _WORDS}
    raise NotFoundError("there is no such statement", where=f"statement {digest[:12]}", todo="look at the page again")
