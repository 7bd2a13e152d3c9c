"""What a channel is served from is remade of what changed, and comes out as if it were made anew each time."""

import asyncio
import json
import os
from copy import copy
from datetime import UTC, datetime, timedelta

import msgspec
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.allowlist import Allowlist, sign_approval
from sekisho.model import Approval
from sekisho.policy import compile_snapshot
from sekisho.policy.frozen import succeed
from sekisho.sources import Source
from sekisho_proxy.conda.book import ChannelBook
from sekisho_proxy.exchange import Request
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.index import Index
from tests.channels import make_package
from tests.records import NO_RULE_APPLIES, SIGNER, policy, sha

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("alpha", "beta", "gamma")
PACKAGES = [
    make_package(name, version, subdir=subdir, ending=ending)
    for name in NAMES
    for version, subdir, ending in (
        ("1.0", "noarch", ".conda"),
        ("1.1", "linux-64", ".tar.bz2"),
        ("2.0", "noarch", ".conda"),
    )
]
SOURCES = tuple(Source(id=name, kind="conda", url=f"http://channels.test/{name}") for name in ("one", "two"))
DENIALS = ("alpha", "alpha==1.0", "beta>=1.1", "gamma", "one::beta")
GRANTS = st.tuples(
    st.lists(st.sampled_from(range(len(PACKAGES))), min_size=1, max_size=3, unique=True),
    st.sampled_from(["one", "two"]),
    st.sampled_from([None, None, 2, 5]),
)
STEPS = st.lists(
    st.tuples(
        st.lists(GRANTS, max_size=4),
        st.lists(st.sampled_from(DENIALS), max_size=2, unique=True),
        st.sampled_from([0, 1, 3]),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


class Here:
    """A policy in force, and everything at hand."""

    def __init__(self):
        self.turn, self.snapshot, self._index, self.now_is, self.signed = 0, None, None, START, {}

    def now(self):
        return self.now_is

    def index(self):
        return self._index

    def present(self):
        return self.snapshot

    def has(self, _sha256):
        return True

    def put(self, grants, denied, prepare):
        rules = [{"id": "no", "check": "denied", "kind": "conda", "projects": denied}] if denied else [NO_RULE_APPLIES]
        allowlist = Allowlist(approvals=tuple(self._sign(number, *grant) for number, grant in enumerate(grants)))
        fresh = compile_snapshot(
            allowlist, policy(*rules), SOURCES, revision=sha(str(self.turn))[:40], sequence=0, now=self.now_is
        )
        self.snapshot = succeed(self.snapshot, fresh)
        index = Index(self.snapshot, self._index)
        if prepare:
            prepare(index)
        self._index = index
        self.turn += 1

    def anew(self):
        """The same policy, of which nothing was known before."""
        other = copy(self)
        other._index = Index(self.snapshot)
        return other

    def _sign(self, number, packages, source, hours):
        key = number, tuple(packages), source, hours
        if key not in self.signed:
            self.signed[key] = sign_approval(
                Approval(
                    id=f"a{number}", request="1", closure=sha("c"), policy=sha("p"), requested_by="ann",
                    approved_by="bob", scope=("everyone",), at=self.now_is,
                    expires=self.now_is + timedelta(hours=hours) if hours else None,
                    artifacts=tuple(PACKAGES[one].artifact(source=source) for one in packages),
                ),
                SIGNER,
            )  # fmt: skip
        return self.signed[key]


async def said(book, source, now):
    """Return every representation, and insist that they say the same."""
    channel = await book.channel(View("everyone"), source, now)
    bodies = {}
    for subdir in ("noarch", "linux-64"):
        for form in ("repodata.json", "repodata_shards.msgpack.zst", "run_exports.json"):
            reply = await channel.subdir(subdir).answer(Request("GET", "/", {}, None), form)
            bodies[subdir, form] = reply.body
        page = json.loads(bodies[subdir, "repodata.json"])
        files = {**page["packages"], **page["packages.conda"]}
        index = msgspec.msgpack.decode(zstd.decompress(bodies[subdir, "repodata_shards.msgpack.zst"]))
        assert index["shards"].keys() == {record["name"] for record in files.values()}
        for digest in index["shards"].values():
            reply = await channel.subdir(subdir).answer(Request("GET", "/", {}, None), f"{digest.hex()}.msgpack.zst")
            shard = msgspec.msgpack.decode(zstd.decompress(reply.body))
            for filename, record in {**shard["packages"], **shard["packages.conda"]}.items():
                assert files.pop(filename)["sha256"] == record["sha256"].hex()
        assert not files
    bodies["channeldata"] = (await channel.data(Request("GET", "/", {}, None))).body
    return bodies


def shown(door, source, now):
    """Return what the door shows, asked name by name."""
    return {a.filename for name in NAMES for a in door.artifacts("conda", name, now, source=source)}


@settings(max_examples=600 if os.environ.get("SEKISHO_SOAK") == "1" else 60, deadline=None)
@given(steps=STEPS)
def test_what_is_remade_of_what_changed_is_what_would_be_made_anew(steps):
    here = Here()
    gate = Gate(here, "http://portal.test")
    kept = ChannelBook(here, gate, here, None)
    kept._here = lambda: "all"  # as of a proxy whose sources are all there

    async def go():
        for grants, denied, hours, prepared in steps:
            here.put(grants, denied, kept.prepare if prepared else None)
            for now in (here.now_is, here.now_is + timedelta(hours=hours)):
                here.now_is = now
                anew = here.anew()
                fresh = ChannelBook(anew, Gate(anew, "http://portal.test"), anew, None)
                for source in ("one", "two"):
                    bodies = await said(kept, source, now)
                    assert bodies == await said(fresh, source, now)
                    pages = [json.loads(bodies[subdir, "repodata.json"]) for subdir in ("noarch", "linux-64")]
                    names = {name for page in pages for part in ("packages", "packages.conda") for name in page[part]}
                    assert names == shown(gate.door(View("everyone")), source, now)

    asyncio.run(go())
