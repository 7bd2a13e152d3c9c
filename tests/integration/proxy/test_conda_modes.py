"""Channels at the real door, as indexes are tried: modes, sandboxes, owners of names, replaced files, and keys."""

import hashlib
from datetime import UTC, datetime

import msgspec
import pytest
from backports import zstd

from sekisho.signing import Signer
from sekisho.sources import Source
from sekisho.succession import EndedKey, NewKey, sign_key_statement
from tests.advisories import index, osv
from tests.channels import Channel, FakeChannels, make_package
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import POLICY, House, soon, until
from tests.integration.proxy.test_modes import MODES, counted

TOOL, LIBRARY = make_package("tool"), make_package("library", "1.2", ending=".tar.bz2")
REPLACED = TOOL.but(files={"share/other": b"put in its place"})
DECOY = make_package("decoy", files={"share/decoy": b"reported by its hash"})
OURS, THEIRS = make_package("acme-web", "1.0"), make_package("acme-web", "99.0")
INDEX = "repodata_shards.msgpack.zst"


SANDBOX = f"""\
{POLICY}\
  - {{id: young, check: release_age, days: 7, then: review}}
workspaces:
  play: {{sandbox: {{days: 3, relax: {{young: allow}}}}}}
"""


@pytest.fixture
def fake():
    outside = Channel((TOOL, LIBRARY, DECOY, THEIRS))
    return FakeChannels(channels={"main": outside, "home": Channel((OURS, make_package("tool", "9.0")))})


@pytest.fixture
def house(tmp_path, fake):
    with run_asgi(fake) as url:
        made = House(tmp_path, upstream=url)
        made.inside = tuple(Source(id=name, kind="conda", url=f"{url}/{name}") for name in ("main", "home"))
        yield made


def files(client, workspace, channel="main", at=""):
    """Return {file name: sha256} of what a channel offers, and insist that one file and shards say the same."""
    folder = f"/w/{workspace}/{at}conda/{channel}/noarch"
    whole = client.get(f"{folder}/repodata.json").json()
    rows = {**whole["packages"], **whole["packages.conda"]}
    shards = msgspec.msgpack.decode(zstd.decompress(client.get(f"{folder}/{INDEX}").content))["shards"]
    assert shards.keys() == {row["name"] for row in rows.values()}
    return {filename: row["sha256"] for filename, row in rows.items()}


def had(client, workspace, package, channel="main", at=""):
    answer = client.get(f"/w/{workspace}/{at}conda/{channel}/{package.path}")
    return answer.content if answer.status_code == 200 else answer.status_code


def followed(house, portal):
    house.settings = house.settings.model_copy(update={"portal_url": portal})


def test_audit_serves_verified_and_records_and_off_only_serves(house, fake):
    house.settle(house.approval(LIBRARY.artifact(source="main"), scope=("watched",)), policy=MODES)
    with house.open() as client:
        for workspace in ("watched", "free"):
            assert files(client, workspace).keys() == {one.filename for one in (TOOL, LIBRARY, DECOY, THEIRS)}
            assert had(client, workspace, TOOL) == TOOL.data
            path = f"/w/{workspace}/conda/main/{TOOL.path}"
            assert client.head(path).headers["content-length"] == str(len(TOOL.data))
            assert client.get(path, headers={"range": "bytes=0-3"}).content == TOOL.data[:4]
            assert had(client, workspace, LIBRARY) == LIBRARY.data
            fake.lies[f"/main/{DECOY.path}"] = DECOY.data[:-1] + b"x"
            assert had(client, workspace, DECOY) == 502
        assert files(client, "everyone") == {}
        assert had(client, "everyone", TOOL) == 403
        assert counted(client, house) == {
            ("watched", "tool", TOOL.version, "not-approved", True): 3,
            ("everyone", "tool", TOOL.version, "not-approved", False): 1,
        }


def test_a_file_that_is_reported_by_its_hash_is_had_in_no_mode(house, fake):
    named = {"indicators": {"package_integrity": [{"sha256": DECOY.sha256}]}}
    reports = index(osv("MAL-2026-2", "decoy", versions=["0.1"], affected={"database_specific": named})).reports()
    house.settle(policy=MODES, reports=reports.dump().decode())
    with house.open() as client:
        for workspace in ("watched", "free", "everyone"):
            assert DECOY.filename not in files(client, workspace)
            assert had(client, workspace, DECOY) == 403
        assert had(client, "free", TOOL) == TOOL.data
    assert not fake.paths(f"/main/{DECOY.path}")


def test_a_mode_holds_at_once_and_no_client_can_ask_for_another(house):
    with run_asgi(house.portal) as portal:
        followed(house, portal)
        house.publish(policy=MODES)
        with house.open() as client:
            until(lambda: client.get("/readyz").status_code == 200)
            assert had(client, "watched", TOOL) == TOOL.data
            assert files(client, "watched")
            house.publish(policy=MODES.replace("audit", "enforce"))
            until(lambda: client.get("/api/policy").json()["sequence"] == 2)
            assert files(client, "watched") == {}
            asked = client.get(f"/w/watched/conda/main/{TOOL.path}", headers={"sekisho-mode": "off"})
            assert asked.status_code == 403
            assert files(client, "free")


def test_frozen_doors_and_replicas_always_enforce(house):
    house.settle(house.approval(LIBRARY.artifact(source="main"), scope=("watched",)), policy=MODES)
    with house.open() as client:
        assert had(client, "watched", LIBRARY) == LIBRARY.data
        at = f"@{client.get('/api/policy').json()['made'].replace('+00:00', 'Z')}/"
        assert files(client, "watched", at=at).keys() == {LIBRARY.filename}
        assert (had(client, "watched", TOOL, at=at), had(client, "watched", LIBRARY, at=at)) == (403, LIBRARY.data)
    house.settings = house.settings.model_copy(update={"replica": True})
    with house.open() as client:
        assert files(client, "watched").keys() == {LIBRARY.filename}
        assert had(client, "watched", TOOL) == 403


def test_what_was_approved_stays_what_it_was_where_a_channel_replaces_it(house, fake):
    house.settle(house.approval(TOOL.artifact(source="main"), scope=("watched",)), policy=MODES)
    fake.channels["main"] = Channel((REPLACED,))
    with house.open() as client:
        assert files(client, "watched") == {TOOL.filename: TOOL.sha256}
        assert files(client, "free") == {TOOL.filename: REPLACED.sha256}
        assert had(client, "watched", TOOL) == 502  # the channel has other bytes now, and those were not approved
        assert had(client, "free", TOOL) == REPLACED.data


@pytest.mark.parametrize("serves", [None, "any"])
def test_names_owned_inside_are_asked_inside_only(house, fake, serves):
    [main, home] = house.inside
    house.inside = (main, home.model_copy(update={"owns": ("acme-*",), "serves": serves}))
    stolen = THEIRS.artifact(source="main")
    house.settle(house.approval(stolen), house.approval(OURS.artifact(source="home")), policy=MODES)
    with house.open() as client:
        for workspace in ("watched", "free", "everyone"):
            assert THEIRS.filename not in files(client, workspace, "main")
            assert files(client, workspace, "home").keys() >= {OURS.filename}
            assert had(client, workspace, THEIRS, "main") == 403
            assert had(client, workspace, OURS, "home") == OURS.data
        inside = {"tool-9.0-0.conda"} if serves else set()
        assert files(client, "free", "home").keys() == {OURS.filename} | inside
        said = client.get(f"/w/everyone/conda/main/{THEIRS.path}").json()
        assert "not-the-owner" in said["title"]
        assert said["message"].startswith(said["title"])
    shard = hashlib.sha256(fake.channels["main"].shards_of("noarch")["acme-web"]).hexdigest()
    assert not [path for path in fake.paths("/main/") if "acme" in path or shard in path]


def test_a_sandbox_sees_alone_and_for_its_time_what_was_approved_for_it(house):
    usual = house.approval(LIBRARY.artifact(source="main"), scope=("everyone", "play"))
    trial = house.approval(TOOL.artifact(source="main"), scope=("play",), expires=soon(2.5 / 86400))
    house.settle(usual, trial, policy=SANDBOX)
    with house.open() as client:
        assert files(client, "play").keys() == {TOOL.filename, LIBRARY.filename}
        assert had(client, "play", TOOL) == TOOL.data
        assert files(client, "everyone").keys() == {LIBRARY.filename}
        assert had(client, "everyone", TOOL) == 403
        until(lambda: had(client, "play", TOOL) == 403)
        assert files(client, "play").keys() == {LIBRARY.filename}
        assert "expired" in client.get(f"/w/play/conda/main/{TOOL.path}").json()["title"]
        assert had(client, "play", LIBRARY) == LIBRARY.data


PURPOSES = ("portal", "approval", "snapshot")


@pytest.mark.parametrize("by", ["old", "new"])
def test_what_an_old_key_approved_is_served_on_and_what_it_signs_after_its_end_is_not(house, by):
    old, new, now = house.signer, Signer.generate(), datetime.now(UTC)
    added = sign_key_statement(NewKey(key=new.trusted(*PURPOSES), at=now), old)
    good, forged = (house.approval(one.artifact(source="main")) for one in (LIBRARY, DECOY))
    house.signer = new
    newer = house.approval(TOOL.artifact(source="main"))
    stands = tuple(sorted((good.approval.digest(), added.statement.digest())))
    ended = sign_key_statement(EndedKey(keyid=old.keyid, at=now, reason="lost", rows=5, stands=stands), new)
    with run_asgi(house.portal) as portal:
        followed(house, portal)
        with house.open() as client:
            policy = lambda: client.get("/api/policy").json()  # noqa: E731
            for signer, keys, approvals in (
                (old, [], [good]),
                (new, [added], [good, newer]),
                (new, [added, ended], [good, newer]),
            ):
                house.publish(*approvals, signer=signer, keys=keys)
                until(lambda: policy().get("sequence") == house.sequence)
                assert len(files(client, "everyone")) == len(approvals)
            rest = (old, [added]) if by == "old" else (new, [added, ended])
            house.publish(good, newer, forged, signer=rest[0], keys=rest[1])
            until(lambda: policy()["snapshot_refused"])
            assert "revoked" in policy()["snapshot_refused"]["why"]
            assert policy()["sequence"] == house.sequence - 1
            assert files(client, "everyone").keys() == {LIBRARY.filename, TOOL.filename}
            assert (had(client, "everyone", LIBRARY), had(client, "everyone", DECOY)) == (LIBRARY.data, 403)
