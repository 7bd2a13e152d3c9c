"""Everything visible installs: whatever is approved and revoked, uv and pip resolve each release that a door shows."""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sekisho.model import Closure, Edge, Facts
from sekisho.policy import Door
from sekisho.store import write_atomically
from sekisho_portal.reasons import explain
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House as ProxyHouse
from tests.integration.proxy.house import bare_environment, run_pip, until
from tests.records import TARGET
from tests.unit.portal.house import ANNA, RITA, House
from tests.wheels import Wheel, make_wheel

SOAK = os.environ.get("SEKISHO_SOAK") == "1"
_UV = Path(sys.executable).with_name("uv")


class Site:
    """A portal, a world of wheels, and an index that shows what a test says."""

    def __init__(self, folder: Path, index: str, shown: FakeUpstream, *wheels: Wheel) -> None:
        self.house = House(folder)
        self.folder = folder
        self.index = index
        self.shown = shown
        self.world = {wheel.sha256: wheel for wheel in wheels}

    def compile(self, *requirements: str) -> tuple[list[Wheel], str]:
        """Return what uv chooses from the index, and what it says if it finds no answer."""
        command = [str(_UV), "pip", "compile", "-", "--no-cache", "--no-header", "--no-annotate", "--index-url"]
        command += [self.index, "--python-version", TARGET.python, "--python-platform", "x86_64-manylinux_2_36"]
        done = subprocess.run(
            command, input="\n".join(requirements), env=bare_environment(self.folder), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", done.stdout, re.MULTILINE))
        found = [wheel for wheel in self.world.values() if pins.get(wheel.project) == wheel.release]
        return found, done.stderr if done.returncode else ""

    def approve(self, *requirements: str, expires: timedelta | None = None) -> bool:
        """Ask for requirements, resolved among all wheels, and have the closure approved; tell whether there was one."""
        self.shown.wheels = list(self.world.values())
        chosen, problem = self.compile(*requirements)
        if problem:
            return False
        house = self.house
        request_id = house.ask(RITA, requirements)
        names = {wheel.project for wheel in chosen}
        closure = Closure(
            request=house.desk.standing(request_id).request.digest(),
            target=TARGET,
            direct=requirements,
            resolver="uv",
            artifacts=tuple(wheel.artifact(source="pypi") for wheel in chosen),
            edges=tuple(
                Edge(project=wheel.project, needs=name)
                for wheel in chosen
                for name in {re.split(r"[^a-z0-9]", text)[0] for text in _requires(wheel)} & names
            ),
        )
        house.report(request_id, "resolved", closure=closure.plain())
        licence = "GPL-3.0-only" if expires else "MIT"
        found = [
            Facts(sha256=w.sha256, size=len(w.data), license_expression=licence, requires=_requires(w)) for w in chosen
        ]
        house.inspect(request_id, *found)
        if expires and house.state(request_id) == "waiting":
            house.approve(request_id, expires=house.clock() + expires)
        assert house.state(request_id) == "approved"
        return True

    def visible(self) -> list[Wheel]:
        door, now = Door(self.house.snapshots.current(), "everyone"), self.house.clock()
        return [
            self.world[artifact.sha256]
            for project in door.projects("pypi", now)
            for artifact in door.artifacts("pypi", project, now)
        ]

    def names(self) -> set[str]:
        return {f"{wheel.project} {wheel.release}" for wheel in self.visible()}

    def check(self, *, pip: bool = False) -> int:
        """See that uv, or pip, resolves every release that is shown; return how many there are."""
        visible = self.visible()
        self.shown.wheels = list(self.world.values()) if pip else visible
        with self.door() if pip else contextlib.nullcontext(self.index) as index:
            for wheel in visible[: None if SOAK or not pip else 4]:
                wanted = f"{wheel.project}=={wheel.release}"
                problem = self.ask_pip(index, wanted, visible) if pip else self.compile(wanted)[1]
                assert not problem, f"{wheel.filename} is shown, and cannot be installed: {problem}"
        return len(visible)

    @contextlib.contextmanager
    def door(self) -> Iterator[str]:
        """Serve what the portal says now by a real proxy; give the index of its door."""
        proxy = ProxyHouse(Path(tempfile.mkdtemp(dir=self.folder)), upstream="http://127.0.0.1:9")
        proxy.settings.trust_file.write_bytes(self.house.settings.trust_file.read_bytes())
        sealed = self.house.snapshots.sealed().model_dump_json().encode()
        write_atomically(proxy.settings.data / "proxy" / "snapshot.json", sealed)
        with proxy.open() as client:
            until(lambda: client.get("/readyz").status_code == 200)
            yield f"{client.base_url}/w/everyone/pypi/simple/"

    def ask_pip(self, index: str, requirement: str, visible: Iterable[Wheel]) -> str:
        """Have pip resolve a requirement; return what it says if it finds no answer among what is visible."""
        options = ("--dry-run", "--ignore-installed", "--only-binary=:all:", "--python-version", TARGET.python)
        done = run_pip(index, self.folder, *options, "--quiet", "--report", "-", requirement)
        if done.returncode:
            return done.stderr
        found = [row["download_info"]["archive_info"]["hashes"]["sha256"] for row in json.loads(done.stdout)["install"]]
        names = {self.world[sha256].project for sha256 in found}
        shown = {wheel.sha256 for wheel in visible}
        whole = requirement.partition("==")[0] in names and shown.issuperset(found)
        return "" if whole else f"pip takes {sorted(names)}"


def _requires(wheel: Wheel) -> tuple[str, ...]:
    return tuple(re.findall(r"^Requires-Dist: (.*)$", wheel.metadata.decode(), re.MULTILINE))


@pytest.fixture
def make_site(tmp_path) -> Iterator[object]:
    shown = FakeUpstream()
    with run_asgi(shown) as url:
        sites: list[Site] = []

        def make(*wheels: Wheel) -> Site:
            folder = tmp_path / str(len(sites))
            folder.mkdir()
            sites.append(Site(folder, f"{url}/simple/", shown, *wheels))
            sites[-1].house.repository.commit({"sources.yaml": f"sources: [{{id: pypi, url: {url}/simple/}}]\n"})
            sites[-1].house.snapshots.refresh()
            return sites[-1]

        yield make
        for site in sites:
            site.house.ledger._engine.dispose()


def test_what_needs_something_that_is_revoked_is_shown_no_more_unless_another_release_does(make_site):
    site = make_site(
        make_wheel("app", "1.0", requires=("mid",)), make_wheel("mid", "1.0", requires=("base>=1",)),
        make_wheel("base", "1.0"), make_wheel("base", "1.5"), make_wheel("lone", "1.0", requires=("base<1.2",)),
        make_wheel("opt", "1.0", requires=('base; extra == "x"', 'base; python_version < "3"')),
    )  # fmt: skip
    assert site.approve("app", "base==1.0", "lone")
    assert site.approve("opt[x]", "base==1.0")
    everything = {"app 1.0", "mid 1.0", "base 1.0", "lone 1.0", "opt 1.0"}
    assert site.names() == everything
    site.house.desk.revoke(ANNA, "base==1.0", reason="gone")
    assert site.names() == {"opt 1.0"}
    door = Door(site.house.snapshots.current(), "everyone")
    rule, said = door.why_not("pypi", "app", site.house.clock())
    assert (rule, "needs mid" in said or "needs base" in said) == ("unmet", True)
    assert {wheel.project for wheel in site.world.values() if door.admits(wheel.sha256, site.house.clock())} == {
        "app", "mid", "lone", "opt",
    }  # fmt: skip
    answer = explain(site.house.desk, site.house.snapshots, "app", None, "everyone")
    assert (answer["available"], answer["rule"]) == (False, "unmet")
    assert site.approve("base==1.5")
    assert site.names() == {"app 1.0", "mid 1.0", "base 1.5", "opt 1.0"}
    assert site.check() == 4
    done = run_pip(site.index, site.folder, "--dry-run", "app")
    assert "Would install app-1.0 base-1.5 mid-1.0" in done.stdout, done.stderr


def test_what_needs_something_that_expires_goes_with_it_without_a_new_policy(make_site):
    site = make_site(make_wheel("app", "1.0", requires=("base",)), make_wheel("base", "1.0"))
    assert site.approve("base", expires=timedelta(days=1))
    assert site.approve("app")
    assert site.names() == {"app 1.0", "base 1.0"}
    sequence = site.house.snapshots.current().sequence
    site.house.clock.advance(days=2)
    assert site.names() == set()
    assert site.house.snapshots.current().sequence == sequence
    assert site.approve("base", expires=timedelta(days=1))
    assert site.names() == {"app 1.0", "base 1.0"}


@pytest.mark.timeout(3600 if SOAK else 900)
@pytest.mark.parametrize("seed", range(40 if SOAK else 1))
def test_whatever_is_approved_and_revoked_all_that_is_shown_resolves(make_site, seed):
    chance = random.Random(seed)
    site = make_site(*_universe(chance))
    looked = revoked = piped = 0
    rounds = 8 if SOAK else 3
    for number in range(rounds):
        names = sorted({wheel.project for wheel in site.world.values()})
        site.approve(*chance.sample(names, chance.randint(1, 2)))
        gone = chance.choice(site.visible() or list(site.world.values()))
        if chance.random() < 0.7 and gone in site.visible():
            site.house.desk.revoke(ANNA, f"{gone.project}=={gone.release}", reason="by chance")
            revoked += 1
        looked += site.check()
        if seed % 5 == 0 and ((SOAK and number % 2) or number == rounds - 1):
            piped += site.check(pip=True)
    assert looked
    assert piped or seed % 5
    assert revoked


def _universe(chance: random.Random) -> Iterator[Wheel]:
    names = [f"p{number}" for number in range(6)]
    for number, name in enumerate(names):
        for release in ("1.0", "1.1", "2.0")[: chance.randint(1, 3)]:
            below = names[number + 1 :] + (names[:number] if chance.random() < 0.2 else [])
            requires = [
                other
                + chance.choice(
                    ["", ">=1.1", "<2", "==1.0", "[x]", "!=1.1", '; extra == "x"', '; python_version < "3"']
                )
                for other in chance.sample(below, min(len(below), chance.randint(0, 3)))
            ]
            yield make_wheel(
                name, release, requires=tuple(requires), extra="License-Expression: MIT\nProvides-Extra: x\n"
            )


def test_a_dead_end_is_seen_by_both_resolvers(make_site):
    site = make_site(make_wheel("app", "1.0", requires=("base<1.5",)), make_wheel("base", "1.5"))
    site.shown.wheels = list(site.world.values())
    assert "No matching distribution found for base<1.5" in site.ask_pip(site.index, "app==1.0", ())
    assert "base" in site.compile("app==1.0")[1]
    assert (site.ask_pip(site.index, "base==1.5", site.shown.wheels), site.compile("base==1.5")[1]) == ("", "")
