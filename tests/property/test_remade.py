"""Doors that are made of the doors before answer as doors that are made anew, whatever changed in between."""

import os
from datetime import timedelta
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.allowlist import KINDS, Allowlist, sign_approval
from sekisho.model import Outcome, Reason
from sekisho.policy import compile_snapshot
from sekisho.policy.frozen import succeed
from sekisho.policy.snapshot import Denial, Lapse
from sekisho.sources import Source
from sekisho_proxy.index import Index
from tests.records import NO_RULE_APPLIES, NOW, SIGNER, approval, artifact, package, policy, sha

WORKSPACES = ("everyone", "team-a", "made-up")
BOTH, ALL, TEAM = ("everyone", "team-a"), ("everyone",), ("team-a",)
SIX = artifact("six", "1")
SIGNED = tuple(
    sign_approval(approval(*files, id=f"a{number}", scope=scope, at=NOW - timedelta(days=number % 3), **more), SIGNER)
    for number, (files, scope, more) in enumerate(
        [
            ([artifact("numpy", "1"), artifact("numpy", "2")], BOTH, {}),
            ([SIX], ALL, {"expires": NOW + timedelta(hours=1)}),
            ([artifact("six", "1", source="inside"), artifact("six", "2", source="inside")], TEAM, {}),
            ([artifact("six", "1", sha256=sha("another")), artifact("numpy", "1", path=SIX.path)], BOTH, {}),
            ([artifact("idna", "1", sha256=SIX.sha256)], ALL, {"break_glass": True}),
            ([package("numpy", "1"), package("numpy", "2")], BOTH, {}),
            ([package("numpy", "1", source="inside")], ALL, {}),
            ([package("six", "1"), package("numpy", "2", build="1")], TEAM, {}),
        ]
    )
)
FILES = tuple(one for signed in SIGNED for one in signed.approval.artifacts)
OWNERS = st.sampled_from([(), (), (), (), ("six",), ("num*",)])
HIDDEN = st.tuples(st.sampled_from(FILES), st.sampled_from(WORKSPACES[:2]), st.booleans())
"""Which file, where, and whether it is denied hard or lapses already."""

STEPS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(range(len(SIGNED))), max_size=2),
        st.lists(HIDDEN, max_size=1),
        st.lists(HIDDEN, max_size=1),
        OWNERS,
        st.sampled_from([None, None, "six", "numpy==1"]),
    ),
    min_size=2,
    max_size=4,
)
"""Which approvals are left out, what is denied and lapses, what has an owner, and what the rules deny."""


def _snapshot(before, step):
    out, denied, lapsed, owned, name = step
    approved = tuple(one for number, one in enumerate(SIGNED) if number not in out)
    reason = Reason(rule="why", outcome=Outcome.DENY, evidence="it is so")
    denials = tuple(
        Denial(sha256=one.sha256, reason=reason, scope=(workspace,), hard=hard) for one, workspace, hard in denied
    )
    lapses = tuple(
        Lapse(
            sha256=one.sha256, project=one.project, scope=(workspace,), reason=reason,
            at=NOW + timedelta(hours=-1 if gone else 1),
        )
        for one, workspace, gone in lapsed
    )  # fmt: skip
    rules = [{"id": "no", "check": "denied", "projects": [name]}] if name else []
    fresh = compile_snapshot(
        Allowlist(approvals=approved),
        policy(NO_RULE_APPLIES, *rules),
        (Source(id="inside", url="https://inside.test/simple/", owns=owned, serves="any"),),
        revision="0" * 40,
        sequence=0,
        now=before.made + timedelta(seconds=1) if before else NOW,
        denied=denials,
    )
    return succeed(before, fresh.model_copy(update={"lapses": lapses}))


def _told(index):
    """Everything that a snapshot's index is asked."""
    for kind in KINDS:
        yield index.names(kind), index.channels
    for one in FILES:
        yield index.at(one.kind, unquote(one.path))
    for workspace in WORKSPACES:
        present = index.door(workspace)
        for now in (NOW, NOW + timedelta(hours=2)):
            yield from _said(present, now)
        yield from _said(present.at(index.snapshot.sequence - 1), NOW)


def _said(door, now):
    yield door.hashes(now)
    for kind in KINDS:
        yield set(door.names(kind)), door.projects(kind, now)
    for one in FILES:
        yield door.admits(one.sha256, now), door.has(one, now), door.barred(one, now)
        for source in (None, one.source):
            asked = {"source": source}
            yield door.admitted(one.kind, one.project, now, **asked), door.settled(one.kind, one.project, **asked)
            yield (
                door.why_not(one.kind, one.project, now, **asked),
                door.next_expiry(one.kind, one.project, now, **asked),
            )
            yield door.why_not_releases(one.kind, one.project, ["1", one.release], now, **asked)
        if one.kind == "conda":
            yield door.at_path(one.source, one.project, one.path, now), door.settled_channel(one.source)


@settings(max_examples=300 if os.environ.get("SEKISHO_SOAK") == "1" else 15, deadline=None)
@given(steps=STEPS, asked=st.booleans())
def test_what_is_made_of_the_doors_before_answers_as_what_is_made_anew(steps, asked):
    snapshot = index = None
    for step in steps:
        snapshot = _snapshot(snapshot, step)
        old, index = index, Index(snapshot, index)
        for workspace in WORKSPACES:
            index.door(workspace)
        if asked or step is steps[-1]:  # what nobody asked for is not taken over
            assert list(_told(index)) == list(_told(Index(snapshot)))
        if old:
            _hold_alike(old, index, Index(snapshot))


def _hold_alike(old, index, anew):
    """Whatever is called alike is: the same entries, and the same words of the policy."""
    for workspace in WORKSPACES:
        alike = index.door(workspace).alike(old.door(workspace))
        plainly = anew.door(workspace).alike(old.door(workspace))
        names = [(kind, name) for kind in KINDS for one in (old, index) for name in one.names(kind)]
        assert [alike(*key) for key in names] == [plainly(*key) for key in names]
