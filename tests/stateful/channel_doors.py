"""The machine of the conda door: approvals, ends, denials, lies and failures, and every form asked for meanwhile."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import msgspec
from backports import zstd
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.stateful.channel_judge import judge
from tests.stateful.channel_world import APPROVABLE, CHANNELS, DENIALS, PACKAGES, ChannelTree, ChannelWorld
from tests.stateful.messages import Asked
from tests.stateful.model import WORKSPACES, Grant
from tests.stateful.pool import OUTSIDE
from tests.stateful.requests import AGES, DOORS, HEADERS, METHODS, SPELLED, address_at
from tests.stateful.spellings import SPELLINGS, target

FAULTS = ("down", "500", "404", "slow", "cut", "wrong", "endless", "foreign", "private", "circle")
FORMS = (
    "repodata_shards.msgpack.zst",
    "repodata.json",
    "repodata.json.zst",
    "current_repodata.json",
    "run_exports.json",
    "run_exports.json.zst",
    "repodata.json.bz2",
    f"{'0' * 64}.msgpack.zst",
)
RESTS = st.one_of(
    st.sampled_from([package.path for package in PACKAGES.values()]),
    st.tuples(st.sampled_from(["noarch", "linux-64"]), st.sampled_from(FORMS)).map("/".join),
    st.sampled_from(["channeldata.json", "noarch", "", "noarch/", "../lab/noarch/repodata.json", "notices.json"]),
)
PLACES = st.sampled_from([*CHANNELS, *CHANNELS, "absent", "Forge", ""])


class ChannelDoors(RuleBasedStateMachine):
    """Doors of two channels, and those who knock."""

    steps = 0
    seen: ClassVar[Counter] = Counter()
    world_kind = ChannelWorld

    def __init__(self) -> None:
        super().__init__()
        self.world = self.world_kind()
        self.granted = self.step = 0
        self.shards: dict[str, list[str]] = {}
        self.world.start()
        self.commit(ChannelTree())

    def teardown(self) -> None:
        self.world.close()

    @property
    def tree(self):
        return self.world.model.line[-1].tree

    def count(self) -> None:
        self.step += 1
        type(self).steps += 1

    def commit(self, tree) -> None:
        self.look()
        self.world.publish(tree)
        self.look()

    def look(self) -> None:
        """See a door in every form, and the shards that it tells of, those of before as well."""
        door = f"/w/{WORKSPACES[self.step % len(WORKSPACES)]}/conda/{CHANNELS[self.step % 2]}"
        if not self.world.model.reached:
            return
        for form in (FORMS[self.step % 6], "repodata_shards.msgpack.zst"):
            for subdir in ("noarch", "linux-64"):
                body = self.send(Asked("GET", f"{door}/{subdir}/{form}"))
        self.send(Asked("GET", f"{door}/{subdir}/{form}", (("if-none-match", body.header("etag")),)))
        shards = self.shards.setdefault(door, [])
        if body.status == 200:
            found = msgspec.msgpack.decode(zstd.decompress(body.body))["shards"]
            shards += [f"{door}/linux-64/{digest.hex()}.msgpack.zst" for digest in found.values()]
        for shard in shards[-4:]:
            self.send(Asked("GET", shard))

    @rule(keys=st.lists(st.sampled_from(APPROVABLE), min_size=1, max_size=4, unique=True),
          scope=st.lists(st.sampled_from(WORKSPACES), min_size=1, max_size=2, unique=True).map(tuple),
          hours=st.sampled_from([None, None, 1, 5]))  # fmt: skip
    def approve(self, keys, scope, hours):
        self.count()
        self.granted += 1
        expires = self.world.clock.now + timedelta(hours=hours) if hours else None
        grants = [Grant(f"a{self.granted}-{number}", (key,), scope, expires) for number, key in enumerate(sorted(keys))]
        self.commit(replace(self.tree, grants=(*self.tree.grants, *grants)))

    @precondition(lambda self: self.tree.grants)
    @rule(number=st.integers(0, 20))
    def revoke(self, number):
        self.count()
        grants = self.tree.grants
        gone = grants[number % len(grants)]
        self.commit(replace(self.tree, grants=tuple(grant for grant in grants if grant != gone)))

    @rule(entries=st.lists(st.sampled_from(sorted(DENIALS)), max_size=2, unique=True))
    def deny(self, entries):
        self.count()
        self.commit(replace(self.tree, denied=tuple(entries)))

    @rule(hours=st.sampled_from([0.25, 1, 6]))
    def wait(self, hours):
        self.count()
        self.look()
        self.world.clock.advance(hours=hours)
        self.look()

    @rule()
    def restart(self):
        self.count()
        self.world.stop()
        self.world.start()

    @rule(how=st.sampled_from(["stranger", "forged", "same-number", "replay", "garbage", "empty"]))
    def deceive(self, how):
        self.count()
        self.world.deceive(how)
        self.look()

    @rule(fault=st.sampled_from(FAULTS))
    def spoil(self, fault):
        self.count()
        self.world.outside.faults[OUTSIDE] = fault
        self.world.outside.faulty_since_start.add(OUTSIDE)
        self.world.notice()

    @rule()
    def heal(self):
        self.count()
        self.world.outside.faults[OUTSIDE] = ""
        self.world.outside.changed.clear()
        self.world.notice()

    @rule(key=st.sampled_from(sorted(PACKAGES)))
    def change(self, key):
        """The channel begins to serve other bytes under the same name."""
        self.count()
        self.world.outside.changed.add(key)

    @rule(door=DOORS, age=AGES, place=PLACES, rest=RESTS, spelled=SPELLED, method=METHODS, headers=HEADERS,
          token=st.sampled_from(["", "", "/t/x1", "/t/", "/t/a/t/b"]))  # fmt: skip
    def ask(self, door, age, place, rest, spelled, method, headers, token):
        self.count()
        path = f"{token}/w/{door}/{address_at(self.world.model.line, age)}conda/{place}/{rest}"
        package = next((one for one in PACKAGES.values() if (one.channel, one.path) == (place, rest)), None)
        etag = f'"{package.sha256}"' if package else '"0"'
        filled = tuple(
            (name, value.replace("{etag}", etag).replace("{token}", self.world.token)) for name, value in headers
        )
        text = target(path).replace("%2500", "%00")
        for name in spelled:
            text = SPELLINGS[name](text.replace("/conda/", "/pypi/")).replace("/pypi/", "/conda/")
        self.send(Asked(method, text, filled))

    @precondition(lambda self: self.tree.grants)
    @rule(number=st.integers(0, 60), headers=HEADERS, method=st.sampled_from(["GET", "GET", "HEAD"]))
    def download(self, number, headers, method):
        """Ask for something that was approved."""
        self.count()
        grant = self.tree.grants[number % len(self.tree.grants)]
        package = PACKAGES[grant.items[0]]
        filled = tuple(
            (name, value.replace("{etag}", f'"{package.sha256}"').replace("{token}", self.world.token))
            for name, value in headers
        )
        if number % 5 == 0:
            filled = (("if-none-match", f'"{package.sha256}"'),)
        elif number % 5 < 3:
            filled = ()
        door = f"/w/{grant.scope[number % len(grant.scope)]}/conda/{package.channel}"
        self.send(Asked(method, target(f"{door}/{package.path}"), filled))

    @rule(door=st.sampled_from(WORKSPACES), age=AGES)
    def sweep(self, door, age):
        """Ask for everything that a door might have: nothing more, and nothing less."""
        self.count()
        for channel in CHANNELS:
            prefix = f"/w/{door}/{address_at(self.world.model.line, age)}conda/{channel}"
            for form in (*FORMS, "channeldata.json"):
                for subdir in ("noarch/", "linux-64/") if form != "channeldata.json" else ("",):
                    self.send(Asked("GET", f"{prefix}/{subdir}{form}"))
            for package in PACKAGES.values():
                self.send(Asked("GET", target(f"{prefix}/{package.path}"), (("range", "bytes=0-99"),)))

    def send(self, asked: Asked):
        note(f"{asked.method} {asked.target} {dict(asked.headers)}")
        here = frozenset(one.sha256 for one in PACKAGES.values() if self.world.here(one.sha256))
        answer = self.world.ask(asked)
        self.seen[judge(self.world, asked, answer, here)] += 1
        return answer
