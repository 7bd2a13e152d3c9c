"""The open doors: a proxy with upstreams and a portal, and all that these do."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.stateful.judge_files import AWAY
from tests.stateful.judge_side import judge_candidates
from tests.stateful.machine import Doors
from tests.stateful.messages import Asked
from tests.stateful.model import HOSTS, OWNERS
from tests.stateful.oracle import judge
from tests.stateful.outside import FAULTS
from tests.stateful.pool import BY_PATH, INSIDE, OUTSIDE, POOL, PROJECTS, marks
from tests.stateful.requests import KEYS
from tests.stateful.spellings import target

SOURCES = st.sampled_from([OUTSIDE, OUTSIDE, INSIDE])


class OpenDoors(Doors):
    """A proxy that reaches two sources and a portal, all of which lie, fail and go away."""

    @rule(hosts=st.sampled_from(sorted(HOSTS)))
    def give_hosts(self, hosts):
        self.count()
        self.commit(replace(self.tree, hosts=hosts), *self.admitted())

    @precondition(lambda self: not self.world.outside.portal.away)
    @rule()
    def portal_goes(self):
        self.count()
        self.world.outside.portal.away = True
        self.world.outside.portal.wake()

    @precondition(lambda self: self.world.outside.portal.away)
    @rule()
    def portal_comes(self):
        self.count()
        self.world.portal_back()

    @precondition(lambda self: not self.world.outside.portal.away)
    @rule(how=st.sampled_from(["stranger", "forged", "same-number", "replay", "garbage", "empty"]))
    def deceive(self, how):
        self.count()
        self.world.deceive(how)

    @rule(source=SOURCES, fault=st.sampled_from(FAULTS))
    def spoil(self, source, fault):
        self.count()
        self.world.outside.faults[source] = fault
        self.world.outside.faulty_since_start.add(source)
        self.world.notice()

    @rule(source=SOURCES)
    def heal(self, source):
        self.count()
        self.world.outside.faults[source] = ""
        self.world.outside.changed.clear()
        self.world.notice()

    @rule(key=KEYS)
    def change(self, key):
        """The source begins to serve other bytes under the same name."""
        self.count()
        self.world.outside.changed.add(key)

    @rule(owners=st.sampled_from(sorted(OWNERS)))
    def give_names(self, owners):
        self.count()
        self.commit(replace(self.tree, owners=owners), *self.admitted())

    @rule(project=st.sampled_from(PROJECTS), known=st.sampled_from([True, True, False]))
    def ask_candidates(self, project, known):
        self.count()
        self.candidates(f"/candidates/simple/{project}/", known=known)

    @rule(key=KEYS, ending=st.sampled_from([".metadata", ".metadata", ""]), known=st.sampled_from([True, True, False]))
    def learn(self, key, ending, known):
        """Have a candidate's metadata fetched, which may bring the whole file into quarantine."""
        self.count()
        item = POOL[key]
        self.candidates(target(f"/candidates/files/{item.source}/{item.where}{ending}"), known=known)

    def candidates(self, path: str, *, known: bool) -> None:
        asked = Asked("GET", path, (("authorization", f"Bearer {self.world.token}"),) if known else ())
        self.judged(judge_candidates(self.world, asked, self.world.ask(asked)))

    @precondition(lambda self: not self.world.outside.portal.away and any(self.on_the_way()))
    @rule(number=st.integers(0, 20), revoked=st.booleans(), suffix=st.sampled_from(["", ".metadata"]))
    def race(self, number, revoked, suffix):
        """A file is asked for, and while its source is asked it is revoked, or not."""
        self.count()
        ways = sorted(self.on_the_way())
        door, key = ways[number % len(ways)]
        item = POOL[key]
        asked = Asked("GET", target(f"/w/{door}/pypi/files/{item.where}{suffix}"), (("range", "bytes=0-"),))
        here = self.here()
        rest = tuple(grant for grant in self.tree.grants if key not in grant.items)
        between = self.world.publish_soon(replace(self.tree, grants=rest)) if revoked else None
        answer = self.world.race(asked, between)
        if revoked and answer.status in AWAY:
            assert not marks(answer.body), asked
            self.judged(f"{answer.status} revoked and away")
        else:
            self.judged(f"{judge(self.world, asked, answer, here)} raced")

    def on_the_way(self):
        """Return (door, file) of what a door has and a source would be asked for, whichever file the path leads to."""
        here = self.here()
        return [
            (door, key)
            for door, key in self.admitted()
            if all(one.sha256 not in here for one in BY_PATH[POOL[key].where])
        ]
