"""Frozen doors, as pip and uv see them: what was approved then, minus what is gone since."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sekisho.allowlist import Allowlist
from sekisho.keys import load_trust, open_signer
from sekisho.policy import compile_snapshot, parse_policy
from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.export import export_bundle
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import POLICY, House, offered, run_pip, run_uv, until
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
DENIED = POLICY.replace("[evil]", "[evil, beta]")


def revision(number):
    return f"{number:02x}abcdef" + "0" * 32


def day(ago):
    return f"{NOON - timedelta(days=ago):%Y-%m-%d}"


class Frozen(House):
    """A house whose policies come one after the other, each dated so many days ago."""

    last = None

    def turn(self, ago, *approvals, policy=POLICY):
        """Return the sealed snapshot that follows the last one."""
        self.sequence += 1
        new = compile_snapshot(
            Allowlist(approvals=approvals), parse_policy(policy), (self.source,),
            revision=revision(self.sequence), sequence=0, now=NOON - timedelta(days=ago),
        )  # fmt: skip
        self.last = succeed(self.last, new)
        return seal_snapshot(self.last, self.signer).model_dump_json().encode()

    def turn_and_settle(self, ago, *approvals, **more):
        file = self.settings.data / "proxy" / "snapshot.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.turn(ago, *approvals, **more))

    def turn_and_publish(self, ago, *approvals, **more):
        self.portal.sealed = self.turn(ago, *approvals, **more)
        self.portal.sequence = self.sequence


@pytest.fixture
def upstream():
    old = make_wheel("alpha", "1.2", requires=("beta>=1",))
    return FakeUpstream(wheels=[old, make_wheel("beta", "2.0"), make_wheel("alpha", "1.3"), make_wheel("gamma")])


@pytest.fixture
def house(tmp_path, upstream):
    with run_asgi(upstream) as url:
        yield Frozen(tmp_path, upstream=url)


@pytest.fixture
def given(house, upstream):
    """One approval each: alpha 1.2, beta 2.0, alpha 1.3, gamma."""
    return [house.approval(wheel.artifact()) for wheel in upstream.wheels]


def page(client, at, project, workspace="everyone"):
    return client.get(f"/w/{workspace}/@{at}/pypi/simple/{project}/", headers={"accept": JSON})


def installed(folder, target):
    return {path.name for path in (folder / target).glob("*.dist-info")}


@pytest.mark.parametrize("how", ["day", "revision", "short", "moment"])
def test_pip_and_uv_install_what_was_approved_then(house, given, tmp_path, how):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    at = {"day": day(4), "revision": revision(1), "short": revision(1)[:7], "moment": f"{day(5)}T12:00:00Z"}[how]
    with house.open() as client:
        index = f"{str(client.base_url).rstrip('/')}/w/everyone/@{at}/pypi/simple/"
        for run, target in ((run_pip, "pip-target"), (run_uv, "uv-target")):
            done = run(index, tmp_path, "alpha")
            assert done.returncode == 0, done.stderr
            assert installed(tmp_path, target) == {"alpha-1.2.dist-info", "beta-2.0.dist-info"}
            present = run(index.replace(f"/@{at}", ""), tmp_path / "now", "alpha")
            assert present.returncode == 0, present.stderr
            assert "alpha-1.3.dist-info" in installed(tmp_path / "now", target)


def test_pip_and_uv_say_of_something_newer_that_it_was_not_approved_then(house, given, tmp_path):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    with house.open() as client:
        index = f"{str(client.base_url).rstrip('/')}/w/everyone/@{day(4)}/pypi/simple/"
        pip = run_pip(index, tmp_path, "gamma")
        assert pip.returncode
        assert "refused.by.rule.not.approved.then.ask.at" in pip.stdout + pip.stderr
        uv = run_uv(index, tmp_path, "gamma")
        text = " ".join((uv.stdout + uv.stderr).split())
        assert uv.returncode
        assert f"was not approved at revision {revision(1)[:12]} of {day(5)}" in text
        assert "rule not-approved-then" in text


def test_what_was_revoked_or_denied_since_is_refused(house, given, tmp_path):
    house.turn_and_settle(5, *given)
    house.turn_and_settle(3, given[0], given[2])
    house.turn_and_settle(2, *given)
    with house.open() as client:
        index = f"{str(client.base_url).rstrip('/')}/w/everyone/@{day(4)}/pypi/simple/"
        for run in (run_pip, run_uv):
            assert run(index, tmp_path, "alpha==1.2").returncode
            assert run(index, tmp_path, "--no-deps", "alpha==1.2").returncode == 0
    house.turn_and_settle(1, *given, policy=DENIED)
    with house.open() as client:
        for at in (day(4), revision(3)):
            row = page(client, at, "beta").json()["files"][0]
            assert "the policy denies beta (rule no-evil)" in row["yanked"]


def test_every_file_route_below_a_frozen_door_asks_the_frozen_view(house, given, upstream):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    old, new = upstream.wheels[0].artifact(), upstream.wheels[2].artifact()
    with house.open() as client:
        for suffix, headers in (("", {}), (".metadata", {}), ("", {"range": "bytes=0-3"})):
            for method in ("GET", "HEAD"):
                url = f"/w/everyone/@{day(4)}/pypi/files"
                assert client.request(method, f"{url}/{old.path}{suffix}", headers=headers).status_code in {200, 206}
                refused = client.request(method, f"{url}/{new.path}{suffix}", headers=headers)
                assert refused.status_code == 403
        problem = client.get(f"/w/everyone/@{day(4)}/pypi/files/{new.path}").json()
        assert "this file of alpha is approved now, but was not approved" in problem["title"]
        assert "rule not-approved-then" in problem["title"]
        assert client.get(f"/w/everyone/pypi/files/{new.path}").status_code == 200
        assert client.get(f"/w/risk/@{day(4)}/pypi/files/{old.path}").status_code == 403


def test_links_and_redirects_stay_below_the_prefix(house, given):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    base = f"/w/everyone/@{day(4)}"
    with house.open() as client:
        moved = client.get(f"{base}/pypi/simple/Al.Pha")
        assert (moved.status_code, moved.headers["location"]) == (308, f"{base}/pypi/simple/al-pha/")
        assert client.get(f"{base}/pypi/simple").headers["location"] == f"{base}/pypi/simple/"
        answer = page(client, day(4), "alpha")
        (row,) = offered(answer.json())
        assert answer.url.join(row["url"]).path.startswith(f"{base}/pypi/files/")
        assert client.get(answer.url.join(row["url"])).status_code == 200
        tomb = page(client, day(4), "gamma")
        refused = client.get(tomb.url.join(tomb.json()["files"][0]["url"]))
        assert refused.url.path.startswith(f"{base}/denied/")
        assert "rule not-approved-then" in refused.json()["title"]
        listed = client.get(f"{base}/pypi/simple/", headers={"accept": JSON}).json()["projects"]
        assert [one["name"] for one in listed] == ["alpha", "beta"]


def test_addresses_that_name_nothing(house, given):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    with house.open() as client:
        tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
        for at, status, said in (
            ("fffffff", 404, "no policy of a revision"),
            (day(6), 404, "no policy is known to have been in force by"),
            (tomorrow, 409, f"@{revision(2)}"),
            ("latest", 400, "neither a revision nor a date"),
            ("", 400, "neither a revision nor a date"),
            ("%00", 400, "neither a revision nor a date"),
        ):
            answer = page(client, at, "alpha")
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), at
            assert said in answer.json()["title"] + answer.json()["todo"]
        assert page(client, revision(2), "alpha").status_code == 200


def test_uv_shows_what_to_name_instead_of_a_day_that_is_not_over(house, given, tmp_path):
    house.turn_and_settle(2, *given)
    with house.open() as client:
        done = run_uv(f"{str(client.base_url).rstrip('/')}/w/everyone/@2999-01-01/pypi/simple/", tmp_path, "alpha")
        assert done.returncode
        assert f"@{revision(1)}" in done.stdout + done.stderr


def test_a_quiet_day_is_certain_once_the_portal_says_that_nothing_came(tmp_path, upstream):
    with run_asgi(upstream) as url:
        house = Frozen(tmp_path, upstream=url)
        with run_asgi(house.portal) as portal:
            house.settings = house.settings.model_copy(update={"portal_url": portal})
            given = [house.approval(wheel.artifact()) for wheel in upstream.wheels]
            house.turn_and_settle(5, *given[:2])
            house.portal.down = True
            with house.open() as client:
                until(lambda: client.get("/api/policy").json()["portal_unreachable"])
                assert page(client, day(4), "alpha").status_code == 409
                house.portal.down = False
                until(lambda: page(client, day(4), "alpha").status_code == 200)
                frozen = offered(page(client, day(4), "alpha").json())
                house.turn_and_publish(0, *given)
                until(lambda: client.get("/api/policy").json()["sequence"] == 2)
                assert offered(page(client, day(4), "alpha").json()) == frozen
                assert "not-approved-then" in page(client, day(4), "gamma").text


def test_what_is_certain_survives_a_restart_and_crosses_to_a_replica(tmp_path, upstream):
    with run_asgi(upstream) as url:
        house = Frozen(tmp_path, upstream=url)
        with run_asgi(house.portal) as portal:
            house.settings = house.settings.model_copy(update={"portal_url": portal})
            house.turn_and_settle(5, *[house.approval(wheel.artifact()) for wheel in upstream.wheels])
            with house.open() as client:
                until(lambda: page(client, day(2), "alpha").status_code == 200)
                horizon = house.settings.data / "proxy" / "horizon.json"
                until(horizon.exists)
        with house.open() as client:
            assert client.get("/readyz").status_code == 200
            assert page(client, day(2), "alpha").status_code == 200
        asyncio.run(export_bundle(house.settings, tmp_path / "bundle"))
        replica = House(tmp_path / "far", upstream="http://127.0.0.1:9", replica=True)
        replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
        with replica.open() as client:
            import_bundle(replica.settings, tmp_path / "bundle")
            until(lambda: page(client, day(2), "alpha").status_code == 200)
            assert page(client, f"{datetime.now(UTC):%Y-%m-%d}", "alpha").status_code == 409
        horizon.write_text("rubbish")
        with house.open() as client:
            assert page(client, day(2), "alpha").status_code == 409
            assert page(client, revision(1), "alpha").status_code == 200


def test_a_replica_serves_frozen_views_from_a_bundle(house, given, upstream, tmp_path):
    house.turn_and_settle(5, *given[:2])
    house.turn_and_settle(2, *given)
    asyncio.run(export_bundle(house.settings, tmp_path / "bundle"))
    replica = House(tmp_path / "far", upstream="http://127.0.0.1:9", replica=True)
    open_signer(house.settings, "export")
    replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
    import_bundle(replica.settings, tmp_path / "bundle")
    with replica.open() as client:
        index = f"{str(client.base_url).rstrip('/')}/w/everyone/@{day(4)}/pypi/simple/"
        for run, target in ((run_pip, "pip-target"), (run_uv, "uv-target")):
            done = run(index, tmp_path, "alpha")
            assert done.returncode == 0, done.stderr
            assert installed(tmp_path, target) == {"alpha-1.2.dist-info", "beta-2.0.dist-info"}
            assert run(index, tmp_path, "gamma").returncode
        uncertain = page(client, day(1), "alpha")
        assert uncertain.status_code == 409
        assert f"@{revision(2)}" in uncertain.json()["todo"]
