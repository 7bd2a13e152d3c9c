"""What a channel's door shows can be installed, by the solver's own word, whatever was revoked or has ended."""

import asyncio
import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rattler import Channel, SparseRepoData, solve_with_sparse_repodata
from rattler.exceptions import SolverError

from sekisho.model import build_of, conda_record
from sekisho.policy.whole import Answer
from sekisho.sources import Source
from sekisho_portal.lapsing import Lapsing
from tests.records import NOW, TARGET, package, signed, snapshot

NAMES = "abcde"
VERSIONS = ("1.0", "1.1", "2.0rc1", "2.0")
SPECS = st.sampled_from(["", "", " >=1.1", " <2.0a0", " 1.*", " ==1.0|==2.0", " >=2.0rc1", " * h1"])
MANY = settings(max_examples=400 if os.environ.get("SEKISHO_SOAK") == "1" else 40, deadline=None)
SOURCES = (Source(id="pypi", preset="pypi"), Source(id="forge", kind="conda", url="https://channels.invalid/forge"))


class Nobody:
    """A ledger that has no rows, and sightings that saw nothing."""

    def entries(self, **_more):
        return []

    def facts(self, _hashes):
        return {}


@st.composite
def universes(draw):
    """Return packages of which each depends on names behind its own, so that no circle is needed to go wrong."""
    found = []
    for number, name in enumerate(NAMES):
        others = NAMES[number + 1 :]
        for version in draw(st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=3, unique=True)):
            for build in draw(st.sampled_from([("h0",), ("h0", "h1")])):
                depends = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
                bound = draw(st.lists(st.sampled_from(others), max_size=1)) if others else []
                found.append(
                    package(
                        name, version, build, build_number=int(build[1:]),
                        depends=[f"{other}{draw(SPECS)}" for other in depends],
                        constrains=[f"{other}{draw(SPECS)}" for other in bound],
                    )
                )  # fmt: skip
    return found


def solve(packages, *specs):
    """Return the files that the solver takes of these packages, nothing where it finds no answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "repodata.json")
        records = {one.filename: {**conda_record(one), "timestamp": 0} for one in packages}
        path.write_text(json.dumps({"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": records}))
        data = SparseRepoData(Channel("https://channels.invalid/forge"), "linux-64", path)
        try:
            return [row.file_name for row in asyncio.run(solve_with_sparse_repodata(list(specs), [data]))]
        except SolverError:
            return None


@given(data=st.data(), universe=universes())
@MANY
def test_everything_that_is_shown_of_a_channel_installs(data, universe):
    files = {one.filename: one for one in universe}
    lapsing = Lapsing(Nobody(), Nobody())
    approvals = []
    for number in range(data.draw(st.integers(1, 3))):
        wanted = data.draw(st.sampled_from(universe))
        found = solve(universe, f"{wanted.project} =={wanted.release} {build_of(wanted)}")
        if found is None:
            continue
        chosen = [files[name] for name in found]
        lapsing.add(f"{number}", Answer(TARGET, {one.node: one.sha256 for one in chosen}, {}))
        for place, one in enumerate(chosen):
            ends = data.draw(st.sampled_from([None, None, None, NOW + timedelta(hours=1)]))
            approvals.append(signed(one, id=f"a{number}-{place}", expires=ends))
    revoked = data.draw(st.sets(st.integers(0, max(len(approvals) - 1, 0)), max_size=3))
    kept = [one for number, one in enumerate(approvals) if number not in revoked]
    for now in (NOW, NOW + timedelta(hours=2)):
        lapses = lapsing.find(snapshot(*kept, sources=SOURCES), now)
        gone = {one.sha256 for one in lapses if one.at <= now}
        held = {
            one.approval.artifacts[0].filename: one.approval.artifacts[0]
            for one in kept
            if one.approval.admits("everyone", now)
        }
        shown = [one for one in held.values() if one.sha256 not in gone]
        for one in shown:
            spec = f"{one.project} =={one.release} {build_of(one)}"
            assert solve(shown, spec) is not None, (spec, [row.filename for row in shown])
