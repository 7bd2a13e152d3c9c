"""What unmodified pip and uv print of what is refused, and that nothing else comes of it."""

import asyncio
import itertools
import json
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from sekisho_proxy.compose import open_app
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import ASK, POLICY, House, bare_environment, offered, run_pip, run_uv
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
PAGE = "/w/everyone/pypi/simple/"
WORDS = "ask.at.127.0.0.1.port.9"
FAR = "cp38-cp38-win_amd64"
APPROVED = ("lib 2.0", "app 1.0", "app 0.9", "tool 2.0", "tool 1.0", "far 1.0", "newer 1.0")
RULES = POLICY.replace("[evil]", '[evil, "lib<1.1"]')


@pytest.fixture
def upstream():
    """``app 1.0`` and ``tool 2.0`` need what is refused, ``far`` and ``newer`` are for others, ``evil`` is denied."""
    lib = [make_wheel("lib", release) for release in ("1.0", "1.1", "2.0", "3.0")]
    app = [make_wheel("app", "1.0", requires=("lib==3.0",)), make_wheel("app", "0.9", requires=("lib>=1",))]
    tool = [make_wheel("tool", "2.0", requires=("evil==1.0", "gamma")), make_wheel("tool", "1.0")]
    far = [
        make_wheel("far", "1.0", tag=FAR),
        make_wheel("far", "2.0"),
        make_wheel("newer", "1.0", requires_python=">=3.99"),
    ]
    return FakeUpstream(wheels=[*lib, *app, *tool, *far, make_wheel("evil", "1.0"), make_wheel("gamma", "1.0")])


@pytest.fixture
def given(house, upstream):
    """One approval of each file that is approved, by project and release."""
    found = {f"{wheel.project} {wheel.release}": house.approval(wheel.artifact()) for wheel in upstream.wheels}
    return {name: found[name] for name in APPROVED}


@pytest.fixture
def index(house, given):
    house.settle(*given.values(), policy=RULES)
    with house.open() as client:
        yield str(client.base_url).rstrip("/") + PAGE


def said(done):
    """Return what a client printed, in one line; its login prompts are none."""
    text = " ".join((done.stdout + done.stderr).split())
    assert not re.search(r"User for|Password|credentials", text)
    return text


def uv(index, folder, *arguments, given="", cwd=None):
    command = [str(Path(sys.executable).with_name("uv")), *arguments, "--no-cache", "-p", sys.executable]
    return subprocess.run(
        [*command, "--index-url", index], env=bare_environment(folder), input=given, cwd=cwd or folder,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


EXPLAINED = [
    ("lib==3.0", "other.releases.refused.by.rule.not.approved", "rule not-approved", "lib"),
    ("lib>2", "other.releases.refused.by.rule.not.approved", "rule not-approved", "lib"),
    ("lib==1.0", "1.0.refused.by.rule.no.evil", "the policy denies lib<1.1 (rule no-evil)", "lib"),
    ("app==1.0", "other.releases.refused.by.rule.not.approved", "rule not-approved", "lib"),
    ("evil", "refused.by.rule.no.evil", "the policy denies evil (rule no-evil)", "evil"),
    ("evil==1.0", "refused.by.rule.no.evil", "the policy denies evil (rule no-evil)", "evil"),
    ("evil>=0.5", "refused.by.rule.no.evil", "the policy denies evil (rule no-evil)", "evil"),
    ("gamma==1.0", "refused.by.rule.not.approved", "rule not-approved", "gamma"),
    ("far", "1.0.approved.only.for.cp38.win.amd64", "far 1.0 is approved, but only for cp38 win_amd64", "far"),
    ("far==1.0", "1.0.approved.only.for.cp38.win.amd64", "far 1.0 is approved, but only for cp38 win_amd64", "far"),
]
OFFERED = ("lib", "far")


def test_pip_and_uv_say_which_rule_refuses_and_where_to_ask(index, tmp_path):
    for requirement, words, sentence, project in EXPLAINED:
        pip = said(run_pip(index, tmp_path, requirement))
        assert f"{words}.{WORDS}" in pip, requirement
        assert "No matching distribution found" in pip
        page = "requests/new" if project in OFFERED else f"requests/new?project={project}"
        assert f"open.this.page.to.ask Requires-Python ==={ASK}/{page}#" in pip, requirement
        for options in ((), ("--no-build",)):
            text = said(run_uv(index, tmp_path, *options, requirement))
            assert sentence in text, requirement
            assert f"Ask at {ASK}/requests/new?project={project})" in text
            assert "No solution found" in text


def test_a_newer_python_is_named_by_both_clients(index, tmp_path):
    assert "1.0 Requires-Python >=3.99" in said(run_pip(index, tmp_path, "newer"))
    assert "newer==1.0 depends on Python>=3.99" in said(run_uv(index, tmp_path, "newer"))


def test_what_can_be_resolved_without_a_tombstone_is(index, tmp_path):
    for run, target in ((run_pip, "pip-target"), (run_uv, "uv-target")):
        done = run(index, tmp_path, "app", "tool", "lib")
        assert done.returncode == 0, done.stderr
        found = {path.name for path in (tmp_path / target).glob("*.dist-info")}
        assert found == {"app-0.9.dist-info", "tool-1.0.dist-info", "lib-2.0.dist-info"}


def test_every_way_to_ask_uv(index, tmp_path):
    for options in (
        ("--universal",),
        ("--prerelease=allow",),
        ("--exclude-newer=2026-02-01T00:00:00Z",),
        ("--resolution=lowest",),
    ):
        done = uv(
            index, tmp_path, "pip", "compile", "-q", "--no-header", "--no-annotate", *options, "-", given="app\ntool"
        )
        assert done.stdout.split() == ["app==0.9", "lib==2.0", "tool==1.0"], done.stderr
        done = uv(index, tmp_path, "pip", "compile", *options, "-", given="lib==3.0")
        assert "rule not-approved" in said(done)


def test_a_universal_lock_keeps_what_it_has_and_leaves_what_was_revoked(house, given, tmp_path, upstream):
    """uv prefers what its lock says, even if it is yanked; a tombstone is another version than that."""
    project = tmp_path / "project"
    project.mkdir()
    text = '[project]\nname = "work"\nversion = "0"\nrequires-python = ">=3.8"\ndependencies = ["app", "far"]\n'
    (project / "pyproject.toml").write_text(text)
    newest = house.approval(next(w for w in upstream.wheels if (w.project, w.release) == ("lib", "3.0")).artifact())
    for approvals, versions in (((*given.values(), newest), ("1.0", "3.0")), (given.values(), ("0.9", "2.0"))):
        house.settle(*approvals, policy=RULES)
        with house.open() as client:
            done = uv(str(client.base_url).rstrip("/") + PAGE, tmp_path, "lock", cwd=project)
            assert done.returncode == 0, done.stderr
        lock = (project / "uv.lock").read_text()
        for name, version in zip(("app", "lib", "far"), (*versions, "1.0"), strict=True):
            assert f'name = "{name}"\nversion = "{version}"' in lock


def test_a_refusal_sends_no_client_to_another_index(index, tmp_path, upstream):
    other = FakeUpstream(wheels=upstream.wheels)
    with run_asgi(other) as url:
        for requirement in ("evil", "evil==1.0", "gamma", "lib==3.0"):
            command = [
                "pip",
                "install",
                "--target",
                str(tmp_path / "t"),
                "--index",
                index,
                "--default-index",
                f"{url}/simple/",
            ]
            done = subprocess.run(
                [str(Path(sys.executable).with_name("uv")), *command, "--no-cache", requirement], env=bare_environment(tmp_path),
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode
            assert "(rule no" in said(done)
        assert other.requests == []


def test_pip_shows_only_what_can_be_had(index, tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    shown = subprocess.run(
        [*pip, "index", "versions", "lib", "--json", "--index-url", index], env=bare_environment(tmp_path),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(shown.stdout)["versions"] == ["2.0"]
    pinned = tmp_path / "pinned.txt"
    pinned.write_text(f"lib==3.0 --hash=sha256:{'1' * 64}\n")
    assert f"refused.by.rule.not.approved.{WORDS}" in said(
        run_pip(index, tmp_path, "--require-hashes", "-r", str(pinned))
    )
    assert f"refused.by.rule.no.evil.{WORDS}" in said(run_pip(index, tmp_path, "--pre", "evil"))
    assert f"refused.by.rule.no.evil.{WORDS}" in said(run_pip(index, tmp_path, "--only-binary=:all:", "evil"))


def test_downloads_of_tombstones_are_demand_and_pages_that_offer_something_are_not(house, given):
    house.settle(*given.values(), policy=RULES)
    with house.open() as client:
        page = client.get(f"{PAGE}lib/", headers={"accept": JSON})
        tombs = {row["filename"]: row["url"] for row in page.json()["files"] if "/denied/" in row["url"]}
        refused = client.get(page.url.join(tombs["lib-v3.0+refused-py0-none-any.whl"]))
        assert (refused.status_code, refused.json()["todo"]) == (403, f"ask at {ASK}/requests/new?project=lib")
        denied = client.get(page.url.join(tombs["lib-v1.0+refused-py0-none-any.whl"]))
        assert "the policy denies lib<1.1 (rule no-evil)" in denied.json()["title"]
        assert client.get(page.url.join(next(url for url in tombs.values() if url.endswith(".whl")))).status_code == 403
        assert page.json()["versions"] == ["2.0"]
        projects = client.get(PAGE, headers={"accept": JSON}).json()["projects"]
        assert {"evil", "gamma"}.isdisjoint(row["name"] for row in projects)
        rows = client.get("/api/demand", headers={"authorization": f"Bearer {house.token}"}).json()["rows"]
        assert sorted((row["release"], row["rule"], row["count"]) for row in rows if row["project"] == "lib") == [
            ("", "not-approved", 1), ("1.0", "no-evil", 1), ("3.0", "not-approved", 1),
        ]  # fmt: skip


def test_a_page_goes_without_until_its_source_answers(house, given, upstream):
    house.settle(*given.values(), policy=RULES)
    upstream.faults = {"/simple/gamma/": "500"}
    with house.open() as client:

        def names(project):
            rows = client.get(f"{PAGE}{project}/", headers={"accept": JSON}).json()["files"]
            return [row["filename"] for row in rows if "+refused-" in row["filename"]]

        assert names("gamma") == ["gamma-v0.dev0+refused-py0-none-any.whl"]
        assert names("evil") == ["evil-v1.0+refused-py0-none-any.whl"]
        assert names("lib") == [f"lib-v{release}+refused-py0-none-any.whl" for release in ("3.0", "1.1", "1.0")]


def test_a_page_is_completed_once_its_source_answers(house, given, upstream):
    now = [datetime.now(UTC)]
    house.settle(*given.values(), policy=RULES)
    upstream.faults = {"/simple/lib/": "500"}

    async def scenario():
        async with open_app(house.settings, lambda: now[0]) as app:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://proxy") as client:
                pages = [await client.get(f"{PAGE}lib/", headers={"accept": JSON})]
                upstream.faults = {}
                now[0] += timedelta(seconds=61)
                while len(pages) < 500 and "v3.0+refused" not in pages[-1].text:
                    pages.append(await client.get(f"{PAGE}lib/", headers={"accept": JSON}))
                    await asyncio.sleep(0.02)
                return pages

    first, *_, last = asyncio.run(scenario())
    assert "v3.0+refused" not in first.text
    assert "v3.0+refused" in last.text
    assert first.headers["etag"] != last.headers["etag"]
    assert offered(first.json()) == offered(last.json())


def world(seed):
    """Return wheels that need one another at random, and which of them are approved."""
    dice = random.Random(seed)
    names = ("a", "b", "c", "d")
    wheels = []
    for at, name in enumerate(names):
        for release in ("1.0", "1.1", "2.0", "3.0"):
            needs = dice.sample(names[at + 1 :], dice.randint(0, len(names) - at - 1))
            ranges = [
                dice.choice(("=={}", ">={}", "<={}", "!={}", "~={}")).format(dice.choice(("1.0", "1.1", "2.0")))
                for _ in needs
            ]
            wheels.append(make_wheel(name, release, requires=tuple(map("".join, zip(needs, ranges, strict=True)))))
    return wheels, [wheel for wheel in wheels if dice.random() < 0.55]


def resolved(index, folder):
    """Return what pip and uv choose for ``a`` and ``b``, or that they find nothing."""
    target = folder / f"report-{next(COUNT)}.json"
    pip = run_pip(index, folder, "--dry-run", "--ignore-installed", "--quiet", "--report", str(target), "a", "b")
    by_pip = pip.returncode or sorted(
        f"{row['metadata']['name']}=={row['metadata']['version']}" for row in json.loads(target.read_text())["install"]
    )
    by_uv = uv(index, folder, "pip", "compile", "-q", "--no-header", "--no-annotate", "-", given="a\nb")
    return by_pip, by_uv.returncode or by_uv.stdout.split()


COUNT = itertools.count()


@pytest.mark.parametrize("seed", range(6))
def test_sets_are_resolved_as_if_there_were_no_tombstones(tmp_path, seed):
    wheels, approved = world(seed)
    with run_asgi(FakeUpstream(wheels=wheels)) as url, run_asgi(FakeUpstream(wheels=approved)) as plain:
        house = House(tmp_path, upstream=url)
        house.settle(*(house.approval(wheel.artifact()) for wheel in approved))
        with house.open() as client:
            index = str(client.base_url).rstrip("/") + PAGE
            tombs = client.get(f"{PAGE}a/", headers={"accept": JSON}).text.count("+refused-")
            assert tombs == 4 - len({wheel.release for wheel in approved if wheel.project == "a"})
            found = resolved(index, tmp_path)
            assert found == resolved(f"{plain}/simple/", tmp_path)
