import json
import os

import pytest

from sekisho.errors import BadInputError, CorruptError, RefusedError, UpstreamError
from sekisho_builder.oci.connection import is_loopback, split_reference
from sekisho_builder.oci.credentials import docker_credentials
from sekisho_builder.oci.layout import Layout
from sekisho_builder.oci.registry import pull, push
from sekisho_builder.oci.upload import PIECE
from sekisho_builder.oci.whereabouts import Whereabouts
from tests.unit.builder.fake_registry import FakeRegistry
from tests.unit.builder.room import House
from tests.wheels import make_wheel

HOST = "127.0.0.1:5000"
BIG = os.urandom(2 * PIECE + 5)


@pytest.fixture
def layout(tmp_path):
    house = House(tmp_path)
    house.assemble(make_wheel("alpha", files={"alpha.bin": BIG}))
    return house.layout()


def send(layout, registry, **options):
    return push(layout, HOST, "curated/small", "t1", connect=registry.connect, **options)


def arrived(registry, layout):
    """Tell whether the registry has every blob, whole, and the manifest under its tag."""
    kept = registry.blobs["curated/small"]
    rows = [*layout.layers, layout.config_descriptor]
    return all(kept[f"sha256:{row.sha256}"] == layout.blob(row.sha256).read_bytes() for row in rows) and (
        registry.manifests["curated/small", "t1"] == layout.blob(layout.manifest_sha256).read_bytes()
    )


def test_an_image_is_sent_in_pieces_and_its_manifest_read_back(layout):
    registry = FakeRegistry()
    pushed = send(layout, registry)
    assert arrived(registry, layout)
    assert str(pushed.reference) == f"{HOST}/curated/small@sha256:{layout.manifest_sha256}"
    assert (pushed.sent, pushed.skipped) == (4, 0)
    assert pushed.reference.lock == layout.lock
    assert registry.count("PATCH") == 3 + 3
    assert registry.requests[-1] == ("GET", f"http://{HOST}/v2/curated/small/manifests/sha256:{layout.manifest_sha256}")


def test_a_blob_that_was_damaged_on_this_machine(layout):
    path = layout.blob(layout.layers[-1].sha256)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"!")
    registry = FakeRegistry()
    with pytest.raises(CorruptError, match="damaged on this machine"):
        send(layout, registry)
    assert not registry.manifests


def test_a_second_push_sends_nothing(layout):
    registry = FakeRegistry()
    send(layout, registry)
    registry.requests.clear()
    pushed = send(layout, registry)
    assert (pushed.sent, pushed.skipped, pushed.sent_bytes) == (0, 4, 0)
    assert not registry.count("POST")


def test_only_what_is_missing_is_sent(layout, tmp_path):
    registry = FakeRegistry()
    send(layout, registry)
    (tmp_path / "next").mkdir()
    house = House(tmp_path / "next")
    house.assemble(make_wheel("alpha", files={"alpha.bin": BIG}), make_wheel("beta"))
    assert send(house.layout(), registry).sent == 2


def test_what_another_repository_has_is_mounted(layout, tmp_path):
    registry, known = FakeRegistry(), Whereabouts(tmp_path / "pushed.json")
    send(layout, registry, whereabouts=known)
    registry.requests.clear()
    pushed = push(layout, HOST, "curated/other", "t1", connect=registry.connect, whereabouts=known)
    assert (pushed.sent, pushed.skipped, pushed.mounted, pushed.sent_bytes) == (0, 4, 4, 0)
    assert registry.blobs["curated/other"] == registry.blobs["curated/small"]
    assert not registry.count("PATCH")


def test_what_the_other_repository_has_lost_is_sent(layout, tmp_path):
    registry, known = FakeRegistry(), Whereabouts(tmp_path / "pushed.json")
    send(layout, registry, whereabouts=known)
    lost = f"sha256:{layout.layers[-1].sha256}"
    del registry.blobs["curated/small"][lost]
    pushed = push(layout, HOST, "curated/other", "t1", connect=registry.connect, whereabouts=known)
    assert (pushed.sent, pushed.mounted) == (1, 3)
    assert registry.blobs["curated/other"][lost] == layout.blob(layout.layers[-1].sha256).read_bytes()
    assert not registry.uploads


@pytest.mark.parametrize("fault", [500, "drop", 403])
def test_a_registry_that_does_not_mount_is_sent_everything(layout, tmp_path, fault):
    registry, known = FakeRegistry(), Whereabouts(tmp_path / "pushed.json")
    send(layout, registry, whereabouts=known)
    registry.faults = [("POST", "mount", fault)] * 4
    pushed = push(layout, HOST, "curated/other", "t1", connect=registry.connect, whereabouts=known)
    assert (pushed.sent, pushed.mounted) == (4, 0)
    assert not registry.faults


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"127.0.0.1:5000": []}'])
def test_a_memory_that_was_lost_costs_nothing_but_the_sending(layout, tmp_path, text):
    path = tmp_path / "pushed.json"
    path.write_bytes(text)
    assert send(layout, FakeRegistry(), whereabouts=Whereabouts(path)).sent == 4
    assert Whereabouts(path).repository(HOST, layout.layers[0].sha256) == "curated/small"


@pytest.mark.parametrize(
    "faults",
    [
        [("HEAD", "blobs", 503), ("HEAD", "manifests", 429)],
        [("HEAD", "blobs", "drop"), ("POST", "uploads", "drop")],
        [("PATCH", "uploads", 500)],
        [("PATCH", "uploads", "drop")],
        [("PATCH", "uploads", "lose")],
        [("PATCH", "uploads", "lose"), ("PATCH", "uploads", 416), ("GET", "uploads", 404)],
        [("PUT", "uploads", "lose")],
        [("PUT", "uploads", 502), ("PUT", "uploads", 404)],
        [("PUT", "manifests", "lose"), ("PUT", "manifests", 503)],
        [("GET", "manifests", 500)],
    ],
)
def test_passing_faults_are_survived(layout, faults):
    registry = FakeRegistry(faults=faults)
    send(layout, registry)
    assert arrived(registry, layout)
    assert not registry.faults


def test_the_registry_says_how_long_to_wait(layout):
    registry = FakeRegistry(faults=[("HEAD", "manifests", 429)])
    send(layout, registry)
    assert registry.waits == [7.0]


@pytest.mark.parametrize("fault", [503, "drop"])
def test_lasting_faults_end(layout, fault):
    registry = FakeRegistry(faults=[("HEAD", "manifests", fault)] * 50)
    with pytest.raises(UpstreamError) as caught:
        send(layout, registry)
    assert caught.value.where == f"{HOST}, repository curated/small"
    assert caught.value.todo
    assert len(registry.faults) == 45


def test_an_upload_that_never_goes_on_ends(layout):
    registry = FakeRegistry(faults=[("PATCH", "uploads", 500)] * 200)
    with pytest.raises(UpstreamError, match="OUCH"):
        send(layout, registry)


def test_a_token_is_asked_for_and_again_when_it_has_expired(layout):
    registry = FakeRegistry(password="secret", faults=[("PATCH", "uploads", "expire")])
    send(layout, registry)
    assert arrived(registry, layout)
    assert registry.count("GET", "/token?service=fake&scope=repository") >= 1


def test_wrong_credentials(layout):
    registry = FakeRegistry(password="secret")
    registry.given = "wrong"
    with pytest.raises(RefusedError, match="401") as caught:
        send(layout, registry)
    assert f"docker login {HOST}" in caught.value.todo


def test_a_registry_that_rewrites_manifests(layout):
    registry = FakeRegistry()
    registry.rewrite = True
    with pytest.raises(CorruptError, match="another manifest"):
        send(layout, registry)


def test_a_push_and_a_pull_give_the_same_layout(layout, tmp_path):
    registry = FakeRegistry(password="secret")
    registry.redirect = "https://blobs.example.invalid"
    reference = str(send(layout, registry).reference)
    pulled = pull(reference, tmp_path / "pulled", connect=registry.connect)
    assert (pulled.manifest_sha256, pulled.config) == (layout.manifest_sha256, layout.config)
    pulled.verify()


def test_a_pull_survives_passing_faults(layout, tmp_path):
    registry = FakeRegistry(faults=[("GET", "blobs/sha256", "lose"), ("GET", "blobs/sha256", 503)])
    reference = str(send(layout, registry).reference)
    pull(reference, tmp_path / "pulled", connect=registry.connect).verify()


def test_a_redirect_without_tls_is_not_followed(layout, tmp_path):
    registry = FakeRegistry()
    reference = str(send(layout, registry).reference)
    registry.redirect = "http://blobs.example.invalid"
    with pytest.raises(UpstreamError, match="without TLS"):
        pull(reference, tmp_path / "pulled", connect=registry.connect)


@pytest.mark.parametrize("bad", [b"other", b"x" * 10_000_000])
def test_a_blob_that_is_not_its_digest(layout, tmp_path, bad):
    registry = FakeRegistry()
    reference = str(send(layout, registry).reference)
    registry.blobs["curated/small"][f"sha256:{layout.config_descriptor.sha256}"] = bad
    with pytest.raises(CorruptError, match="is not sha256"):
        pull(reference, tmp_path / "pulled", connect=registry.connect)
    assert not (tmp_path / "pulled" / "index.json").exists()


def test_an_index_gives_the_image_for_the_architecture(layout, tmp_path):
    registry = FakeRegistry()
    send(layout, registry)
    row = json.loads((layout.folder / "index.json").read_bytes())["manifests"][0]
    rows = [{**row, "digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "arm64"}}]
    rows.append({**row, "platform": {"os": "linux", "architecture": "amd64"}})
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": rows}
    with registry.connect(HOST, "curated/small") as connection:
        connection.ask("PUT", "manifests/all", expect={201}, content=json.dumps(index).encode())
    digest = next(
        name for _, name in registry.manifests if name not in {"t1", "all", f"sha256:{layout.manifest_sha256}"}
    )
    pulled = pull(f"{HOST}/curated/small@{digest}", tmp_path / "pulled", connect=registry.connect)
    assert pulled.manifest_sha256 == layout.manifest_sha256
    with pytest.raises(BadInputError, match="s390x"):
        pull(f"{HOST}/curated/small@{digest}", tmp_path / "p2", architecture="s390x", connect=registry.connect)


@pytest.mark.parametrize(
    "reference", ["host/name", "host/name:tag", "name@sha256:" + "0" * 64, "h/n@sha256:abc", "h/n@md5:1"]
)
def test_references_that_are_no_digests(reference):
    with pytest.raises(BadInputError):
        split_reference(reference)


def test_plain_http_is_for_this_machine_only():
    assert all(map(is_loopback, ("localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000")))
    assert not any(map(is_loopback, ("registry.example", "10.0.0.1:5000", "localhost.example", "127.0.0.1.example")))
    requests = []
    with FakeRegistry().connect("registry.example", "a") as connection:
        requests.append(str(connection.ask("HEAD", "manifests/x", expect={404}).url))
    assert requests == ["https://registry.example/v2/a/manifests/x"]


def test_credentials_come_from_docker_login(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r.example": {"auth": "dXNlcjpwYTpzcw=="}, "x": {}}}))
    assert docker_credentials("r.example", tmp_path) == ("user", "pa:ss")
    assert docker_credentials("x", tmp_path) is None
    assert docker_credentials("y", tmp_path / "nowhere") is None


def test_an_image_without_a_lock_is_not_pushed(tmp_path):
    with pytest.raises(BadInputError, match="lock"):
        send(House(tmp_path).base, FakeRegistry())


def test_a_folder_that_is_no_layout(tmp_path):
    with pytest.raises(CorruptError, match="layout"):
        Layout(tmp_path).manifest_sha256  # noqa: B018
