"""Export and import: what crosses the gap is verified to the last byte before the first is written."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from sekisho.errors import ConflictError, CorruptError, NotFoundError, RefusedError, SekishoError
from sekisho.keys import load_trust, open_signer
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.export import export_bundle
from sekisho_proxy.cli import export, import_
from tests.integration.proxy.house import House, offered, run_uv, until
from tests.wheels import make_wheel

JSON = "application/vnd.pypi.simple.v1+json"


def pack(house, folder, **options):
    return asyncio.run(export_bundle(house.settings, folder, **options))


def replica_of(house, folder):
    """Make a replica that trusts what ``house`` signs."""
    replica = House(folder, upstream="http://127.0.0.1:9", replica=True)
    open_signer(house.settings, "export")
    replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
    return replica


@pytest.fixture
def bundle(house, approved, tmp_path):
    house.settle(house.approval(approved[0]), house.approval(approved[1], scope=("risk",)))
    pack(house, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_replica_serves_what_came_over_and_nothing_else(house, approved, upstream, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    done = import_bundle(replica.settings, bundle)
    assert (done.new, done.here, done.bytes) == (2, 0, sum(artifact.size for artifact in approved))
    asked = len(upstream.requests)
    with replica.open() as client:
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}").content == upstream.wheels[0].data
        assert client.get(f"/w/everyone/pypi/files/{approved[0].path}.metadata").content == upstream.wheels[0].metadata
        assert client.get(f"/w/everyone/pypi/files/{approved[1].path}").status_code == 403
        assert client.get(f"/w/risk/pypi/files/{approved[1].path}").status_code == 200
        assert client.get("/candidates/simple/alpha/").status_code == 404
        assert client.post("/quarantine", json={}).status_code == 404
    assert len(upstream.requests) == asked


def test_a_replica_takes_up_an_import_while_it_runs_and_lists_only_what_is_here(house, approved, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    with replica.open() as client:
        assert client.get("/readyz").status_code == 503
        import_bundle(replica.settings, bundle)
        until(lambda: client.get("/readyz").status_code == 200)
        page = client.get("/w/everyone/pypi/simple/alpha/", headers={"accept": JSON}).json()
        assert [row["filename"] for row in offered(page)] == [approved[0].filename]
    shutil.rmtree(replica.settings.data / "proxy" / "blobs")
    with replica.open() as client:
        page = client.get("/w/everyone/pypi/simple/alpha/", headers={"accept": JSON}).json()
        assert "rule not-imported" in page["files"][0]["yanked"]
        assert client.get("/w/everyone/pypi/simple/", headers={"accept": JSON}).json()["projects"] == []
        gone = client.get(f"/w/everyone/pypi/files/{approved[0].path}")
        assert gone.status_code == 503
        assert "not in any imported bundle" in gone.json()["title"]


def test_uv_hears_on_a_replica_why_a_release_is_refused(house, approved, upstream, tmp_path):
    """uv explains a pin by a row for that very release, so the bundle says which ones exist."""
    upstream.wheels.append(make_wheel("alpha", "3.0"))
    house.settle(house.approval(*approved))
    pack(house, tmp_path / "bundle")
    replica = replica_of(house, tmp_path / "far")
    import_bundle(replica.settings, tmp_path / "bundle")
    asked = len(upstream.requests)
    with replica.open() as client:
        index = f"{client.base_url}/w/everyone/pypi/simple/"
        said = " ".join(run_uv(index, tmp_path, "alpha==3.0").stderr.split())
        assert "(reason: Sekisho refused alpha: this release is not approved for workspace everyone" in said
        assert run_uv(index, tmp_path, "alpha").returncode == 0
    assert len(upstream.requests) == asked


def test_a_source_that_is_away_stops_no_export(house, approved, upstream, tmp_path):
    house.settle(house.approval(*approved))
    upstream.faults = {"/simple/": "500"}
    pack(house, tmp_path / "bundle")
    replica = replica_of(house, tmp_path / "far")
    assert import_bundle(replica.settings, tmp_path / "bundle").new == 2


def test_the_same_bundle_twice_writes_nothing(house, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    import_bundle(replica.settings, bundle)
    before = {
        path: path.stat().st_mtime_ns
        for path in (replica.settings.data / "proxy").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
    assert import_bundle(replica.settings, bundle).already
    assert before == {path: path.stat().st_mtime_ns for path in before}


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("change", ["flip", "cut", "remove", "symlink"])
@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_any_change_to_any_file_is_refused_and_nothing_is_written(house, bundle, tmp_path, change, which):
    replica = replica_of(house, tmp_path / "far")
    names = files_of(bundle)
    assert len(names) == 4
    path = bundle / names[which]
    data = path.read_bytes()
    path.unlink()
    if change == "flip":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif change == "cut":
        path.write_bytes(data[:-1])
    elif change == "symlink":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SekishoError):
        import_bundle(replica.settings, bundle)
    assert not [
        path for path in (replica.settings.data / "proxy").rglob("*") if path.is_file() and path.suffix != ".lock"
    ]


def test_an_expired_bundle_is_refused(house, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    with pytest.raises(RefusedError, match="expired"):
        import_bundle(replica.settings, bundle, now=datetime.now(UTC) + timedelta(days=31))


def test_an_older_policy_is_a_replay(house, approved, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    house.settle(house.approval(approved[0]))
    pack(house, tmp_path / "newer")
    assert import_bundle(replica.settings, tmp_path / "newer").new == 1
    with pytest.raises(RefusedError, match="replay"):
        import_bundle(replica.settings, bundle)
    (replica.settings.data / "proxy" / "imported.json").unlink()
    with pytest.raises(RefusedError, match="replay"):
        import_bundle(replica.settings, bundle)


def test_two_policies_of_one_number_are_refused(house, approved, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    import_bundle(replica.settings, bundle)
    house.sequence = 0
    house.settle(house.approval(approved[0]))
    pack(house, tmp_path / "other")
    with pytest.raises(RefusedError, match="another one"):
        import_bundle(replica.settings, tmp_path / "other")


def test_a_signer_that_is_not_trusted_is_refused(house, bundle, tmp_path):
    replica = House(tmp_path / "far", upstream="http://127.0.0.1:9", replica=True)
    with pytest.raises(CorruptError, match="unknown key"):
        import_bundle(replica.settings, bundle)


def test_export_replaces_a_bundle_and_nothing_else(house, approved, bundle, tmp_path):
    house.settle(house.approval(approved[1]))
    assert pack(house, bundle).blobs == 1
    assert len(files_of(bundle)) == 3
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("no")
    with pytest.raises(ConflictError):
        pack(house, tmp_path / "precious")
    with pytest.raises(NotFoundError):
        pack(house, tmp_path / "no" / "where")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_failed_export_leaves_nothing(house, upstream, approved, tmp_path):
    house.settle(house.approval(*approved[:1]))
    upstream.faults["/packages"] = "wrong"
    with pytest.raises(CorruptError):
        pack(house, tmp_path / "bundle")
    assert not [path for path in tmp_path.iterdir() if "bundle" in path.name]


def test_expired_approvals_do_not_cross(house, approved, tmp_path):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    house.settle(house.approval(approved[0], expires=tomorrow), house.approval(approved[1]))
    assert pack(house, tmp_path / "one", now=tomorrow).blobs == 1


def test_the_commands(house, bundle, tmp_path):
    replica = replica_of(house, tmp_path / "far")
    near = {"SEKISHO_DATA": str(house.settings.data)}
    far = {"SEKISHO_DATA": str(replica.settings.data), "SEKISHO_REPLICA": "1"}
    out = CliRunner().invoke(export, ["--to", str(tmp_path / "again"), "--json"], env=near)
    assert json.loads(out.output)["blobs"] == 2
    out = CliRunner().invoke(import_, [str(tmp_path / "again")], env=far)
    assert out.output.startswith("policy 1: 2 blobs new, 0 already here, ")
