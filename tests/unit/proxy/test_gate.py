"""What the gate keeps, and what a refusal costs: names of workspaces and projects are made up by whoever asks."""

import asyncio

from sekisho.policy.sealing import seal_snapshot
from sekisho.policy.snapshot import Snapshot
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot


class Untouched(tuple):
    """Approvals that nobody may walk through."""

    __slots__ = ()

    def __iter__(self):
        raise AssertionError


def _gate(folder, *approvals):
    trust = folder / "trust.json"
    trust.write_text(TRUST.dump())
    held = Held(folder / "snapshot.json", trust, lambda: NOW)
    assert asyncio.run(held.offer(seal_snapshot(snapshot(*approvals), SIGNER).canonical(), store=False))
    return Gate(held, "http://portal.invalid"), held.present()


def test_workspaces_that_are_made_up_push_no_door_out(tmp_path):
    gate, _ = _gate(tmp_path, signed(artifact()), signed(artifact("six"), scope=("team",)))
    doors = [gate.door(View(name)) for name in ("everyone", "team")]
    for number in range(200):
        assert gate.door(View(f"made-up-{number}")).projects("pypi", NOW) == ()
    assert [gate.door(View(name)) for name in ("everyone", "team")] == doors
    assert {door.workspace for door in gate._held.index().doors} == {"everyone", "team"}


def test_a_refusal_does_not_walk_through_all_approvals(tmp_path):
    gate, present = _gate(tmp_path, signed(artifact()), signed(artifact("six", "2.0"), scope=("team",)))
    path = "packages/six-2.0-py3-none-any.whl"
    first = gate.refusal(View("everyone"), "pypi", "six", NOW, where=path)
    assert "approved, but not for workspace everyone" in first.what
    approvals = Untouched(present.approvals)
    present.__dict__["approvals"] = approvals
    assert isinstance(present, Snapshot)
    for workspace in ("everyone", "made-up"):
        for project in ("six", "numpy", "nobody"):
            for release in ("", "2.0", "3.0"):
                gate.refusal(View(workspace), "pypi", project, NOW, release=release)
    assert gate.refusal(View("everyone"), "pypi", "six", NOW, where=path).what == first.what
