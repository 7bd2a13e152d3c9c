"""The machine: a proxy and everybody around it, driven by chance and judged after every answer."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.stateful.judge_side import judge_side
from tests.stateful.messages import Asked
from tests.stateful.model import DENIALS, WORKSPACES, Grant, Tree
from tests.stateful.oracle import judge
from tests.stateful.pool import APPROVABLE, BY_PATH, INSIDE, OUTSIDE, POOL, PROJECTS
from tests.stateful.requests import AGES, DOORS, HEADERS, JSON, METHODS, ROUTES, SIDE_PATHS, SPELLED, address_at
from tests.stateful.spellings import SPELLINGS, target
from tests.stateful.view import view_of
from tests.stateful.world import World

SOURCES = st.sampled_from([OUTSIDE, OUTSIDE, INSIDE])
SCOPES = st.lists(st.sampled_from(WORKSPACES), min_size=1, max_size=2, unique=True).map(tuple)


class Doors(RuleBasedStateMachine):
    """What a replica and a proxy with upstreams have in common: doors, and those who knock."""

    steps = 0
    seen: Counter
    """Kinds of answers that were judged, over all runs: a run that only ever met 404 would prove nothing."""

    def __init_subclass__(cls) -> None:
        cls.seen = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.granted = self.step = 0
        self.gone: list[Grant] = []
        self.world.start()
        self.commit(Tree())

    def make_world(self) -> World:
        return World()

    def commit(self, tree: Tree, *touched: tuple[str, str]) -> None:
        """Publish a tree; look before and after at one (door, file) that it may concern."""
        self.look(*touched)
        self.world.publish(tree)
        self.look(*touched)

    def look(self, *touched: tuple[str, str]) -> None:
        """See a file in every place where its door tells of it."""
        if touched:
            door, key = touched[self.step % len(touched)]
            base, item = f"/w/{door}/pypi", POOL[key]
            form = JSON if self.step % 2 else "text/html"
            self.send(Asked("GET", f"{base}/simple/{item.project}/", (("accept", form),)))
            self.send(Asked("GET", f"{base}/simple/" if self.step % 3 else f"{base}/{item.project}/json"))
            then = address_at(self.world.model.line, ("revision", self.step % 5 + 1))
            self.send(Asked("GET", target(f"/w/{door}/{then}pypi/files/{item.where}"), (("range", "bytes=0-9"),)))
            self.send(Asked("GET", f"/w/{door}/{then}pypi/simple/{item.project}/", (("accept", form),)))
            for ending in ("", ".metadata", ".provenance"):
                self.send(Asked("GET", target(f"{base}/files/{item.where}{ending}"), (("range", "bytes=0-9"),)))

    @property
    def tree(self) -> Tree:
        """The tree as it is, which the proxy may not have yet."""
        return self.world.model.line[-1].tree

    def teardown(self) -> None:
        try:
            self.check_store()
        finally:
            self.world.close()

    # The tree changes

    @initialize(scopes=st.fixed_dictionaries({name: st.none() | SCOPES for name in PROJECTS}))
    def begin(self, scopes):
        """Start with something to lose."""
        grants = (
            Grant(f"b{number}", tuple(key for key in APPROVABLE if POOL[key].project == project), scope, None)
            for number, (project, scope) in enumerate(scopes.items())
            if scope
        )
        self.commit(Tree(grants=tuple(grant for grant in grants if grant.items)))

    @rule(keys=st.lists(st.sampled_from(APPROVABLE), min_size=1, max_size=4, unique=True), scope=SCOPES,
          hours=st.sampled_from([None, None, 1, 5]))  # fmt: skip
    def approve(self, keys, scope, hours):
        self.count()
        expires = self.world.clock.now + timedelta(hours=hours) if hours else None
        self.granted += 1
        by_project = {project: tuple(key for key in keys if POOL[key].project == project) for project in PROJECTS}
        new = tuple(Grant(f"a{self.granted}", chosen, scope, expires) for chosen in by_project.values() if chosen)
        self.commit(replace(self.tree, grants=(*self.tree.grants, *new)), *_reach(*new))

    @precondition(lambda self: self.tree.grants)
    @rule(number=st.integers(0, 20))
    def revoke(self, number):
        self.count()
        grants = self.tree.grants
        revoked = grants[number % len(grants)]
        self.gone.append(revoked)
        rest = tuple(grant for grant in grants if grant != revoked)
        self.commit(replace(self.tree, grants=rest), *_reach(revoked))

    @precondition(lambda self: self.gone)
    @rule()
    def approve_again(self):
        self.count()
        again = self.gone.pop()
        self.commit(replace(self.tree, grants=(*self.tree.grants, again)), *_reach(again))

    @rule(entries=st.lists(st.sampled_from(sorted(DENIALS)), max_size=2, unique=True))
    def deny(self, entries):
        self.count()
        named = {key for entry in entries for key in DENIALS[entry]}
        touched = [(door, key) for door, key in self.admitted() if key in named] or self.admitted()
        self.commit(replace(self.tree, denied=tuple(entries)), *touched)

    @rule(hours=st.sampled_from([0.25, 1, 6, 30]))
    def wait(self, hours):
        self.count()
        ending = _reach(*(grant for grant in self.tree.grants if grant.expires))
        self.look(*ending)
        self.world.clock.advance(hours=hours)
        self.look(*ending)

    @rule()
    def restart(self):
        self.count()
        self.world.stop()
        self.check_store()
        self.world.start()

    # Clients

    @rule(door=DOORS, age=AGES, route=ROUTES, spelled=SPELLED, method=METHODS, headers=HEADERS)
    def ask(self, door, age, route, spelled, method, headers):
        self.request(door, age, route, spelled, method, headers)

    @rule(door=st.sampled_from(WORKSPACES), age=AGES, route=ROUTES, method=st.sampled_from(["GET", "GET", "HEAD"]))
    def ask_plainly(self, door, age, route, method):
        self.request(door, age, route, (), method, ())

    @precondition(lambda self: any(self.admitted()))
    @rule(number=st.integers(0, 60), kind=st.sampled_from(["file"] * 3 + ["metadata", "provenance"]), headers=HEADERS,
          method=st.sampled_from(["GET", "GET", "HEAD"]), spelled=SPELLED)  # fmt: skip
    def download(self, number, kind, headers, method, spelled):
        """Ask for something that may be had."""
        known = sorted(self.admitted())
        door, key = known[number % len(known)]
        self.request(door, None, (kind, key), spelled, method, headers)

    def admitted(self):
        """Return (door, file) of all that may be had."""
        return [(door, key) for door in WORKSPACES for key in view_of(self.world, f"/w/{door}/").items]

    def request(self, door, age, route, spelled, method, headers):
        self.count()
        path = f"/w/{door}/{address_at(self.world.model.line, age)}{_rest(route)}"
        etag = f'"{POOL[route[1]].sha256}"' if route[1] in POOL else '"0"'
        filled = tuple(
            (name, value.replace("{etag}", etag).replace("{token}", self.world.token)) for name, value in headers
        )
        text = target(path).replace("%2500", "%00")
        for name in spelled:
            text = SPELLINGS[name](text)
        self.send(Asked(method, text, filled))

    def send(self, asked: Asked) -> None:
        note(f"{asked.method} {asked.target} {dict(asked.headers)}")
        here = self.here(asked.path)
        answer = self.world.ask(asked)
        self.judged(judge(self.world, asked, answer, here))

    def here(self, path: str = "") -> frozenset[str]:
        """Return which files at a path, or of all, are here: one in quarantine is as good as a blob once it is asked for."""
        bare = path.partition("/pypi/files/")[2].removesuffix(".metadata").removesuffix(".provenance")
        return frozenset(
            item.sha256
            for item in (BY_PATH.get(bare, ()) if path else POOL.values())
            if self.world.here(item.sha256) or self.world.here(item.sha256, "quarantine")
        )

    @rule(door=st.sampled_from(WORKSPACES), age=AGES)
    def sweep(self, door, age):
        """Ask for everything that a door might have: nothing more, and nothing less."""
        self.count()
        prefix = f"/w/{door}/{address_at(self.world.model.line, age)}"
        for project in PROJECTS:
            self.send(Asked("GET", f"{prefix}pypi/simple/{project}/", (("accept", JSON),)))
        self.send(Asked("GET", f"{prefix}pypi/simple/{PROJECTS[self.step % len(PROJECTS)]}"))
        self.send(Asked("GET", f"{prefix}pypi/simple/"))
        for number, item in enumerate(POOL.values(), self.step):
            wanted = ("bytes=0-99", "bytes=-9", "bytes=5-9", "bytes=99999999-", "bytes=9-5")[number % 5]
            file = target(f"{prefix}pypi/files/{item.where}")
            begun = item.sha256 if number % 3 else "0"
            self.send(Asked("GET", file, (("range", wanted), ("if-range", f'"{begun}"'))))
            if number % 4 < 2:
                self.send(Asked("GET", file + (".metadata", ".provenance")[number % 4]))

    @rule(path=SIDE_PATHS, method=METHODS, headers=HEADERS)
    def ask_beside(self, path, method, headers):
        self.count()
        filled = tuple((name, value.replace("{token}", self.world.token)) for name, value in headers)
        asked = Asked(method, path, filled)
        self.judged(judge_side(self.world, asked, self.world.ask(asked)))

    # What must hold

    def check_store(self) -> None:
        """Every blob is what its name says, and nothing half-written is left."""
        for store in ("blobs", "quarantine"):
            root = self.world.settings.data / "proxy" / store
            for path in root.glob("sha256/*/*"):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{store} has a wrong {path.name}"
            assert not list(root.glob("incoming/*"))

    def count(self) -> None:
        self.step += 1
        type(self).steps += 1

    def judged(self, kind: str) -> None:
        self.seen[kind] += 1


def _reach(*grants: Grant) -> list[tuple[str, str]]:
    """Return each (door, file) of which grants speak."""
    return [(door, key) for grant in grants for door in grant.scope for key in grant.items]


def _rest(route) -> str:
    kind, name = route
    if kind in {"file", "metadata", "provenance"}:
        ending = "" if kind == "file" else f".{kind}"
        return f"pypi/files/{POOL[name].where}{ending}"
    return {
        "page": f"pypi/simple/{name}/",
        "projects": "pypi/simple/",
        "tombstone": f"denied/not-approved--ask-at-portal.test/{name}-0-py3-none-any.whl",
        "json": f"pypi/{name}/json",
        "rest": name,
    }[kind]
