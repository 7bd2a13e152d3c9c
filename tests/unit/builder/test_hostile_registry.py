"""A registry that answers what it should not: nothing it says is believed, followed blindly, or kept."""

import json

import httpx2
import pytest

from sekisho.errors import BadInputError, CorruptError, UpstreamError
from sekisho.model import sha256_hex
from sekisho_builder.oci.connection import Connection
from sekisho_builder.oci.layout import LAYER, Descriptor
from sekisho_builder.oci.registry import pull, push
from sekisho_builder.oci.upload import send_blob
from tests.unit.builder.fake_registry import FakeRegistry
from tests.unit.builder.room import House
from tests.wheels import make_wheel

HOST = "127.0.0.1:5000"
LAYERS = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "0" * 64, "size": 1}]


def put(registry, data):
    """Keep a manifest, whatever it is; return a reference to it."""
    digest = f"sha256:{sha256_hex(data)}"
    registry.manifests["curated/small", digest] = data
    return f"{HOST}/curated/small@{digest}"


@pytest.mark.parametrize(
    ("data", "says"),
    {
        "no JSON": (b"<html>", "cannot be read"),
        "bottomless": (b"[" * 200_000, "cannot be read"),
        "a list": (b"[]", "not a JSON object"),
        "no layers": (b'{"config": {}}', "no list of layers"),
        "layers of another kind": (b'{"layers": {"a": 1}}', "no list of layers"),
        "a layer of another kind": (b'{"layers": [1]}', "no list of layers"),
        "no config": (b'{"layers": []}', "not a descriptor"),
        "a digest that leads elsewhere": (
            json.dumps({"config": LAYERS[0] | {"digest": "sha256:../../../etc/passwd"}, "layers": []}).encode(),
            "the digest is not a sha256",
        ),
        "an index of another kind": (
            b'{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": "x"}',
            "no list of manifests",
        ),
        "an index of nothing": (
            b'{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{"platform": 1}]}',
            "not made for Linux",
        ),
        "larger than any": (b" " * (6 << 20), "is too large"),
    }.values(),
)
def test_a_manifest_that_is_none_is_refused_and_nothing_stays(tmp_path, data, says):
    registry = FakeRegistry()
    with pytest.raises((CorruptError, BadInputError, UpstreamError), match=says):
        pull(put(registry, data), tmp_path / "pulled", connect=registry.connect)
    assert not (tmp_path / "pulled" / "index.json").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    {
        "no JSON": (b"x", "Invalid JSON"),
        "a list": (b"[]", "should be an object"),
        "no layers": ({"rootfs": {}}, "rootfs.diff_ids"),
        "other layers": ({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}, "other layers than its manifest"),
        "an environment of another kind": ({"config": {"Env": {"A": "b"}}}, "config.Env"),
        "a command of another kind": ({"config": {"Cmd": "sh"}}, "config.Cmd"),
        "labels of another kind": ({"config": {"Labels": ["a"]}}, "config.Labels"),
        "no platform": ({"os": None}, "os"),
        "a past of another kind": ({"history": [1]}, "history"),
    }.values(),
)
def test_a_config_that_no_engine_could_use_is_refused(tmp_path, change, says):
    house = House(tmp_path)
    house.assemble(make_wheel("alpha"))
    layout, registry = house.layout(), FakeRegistry()
    push(layout, HOST, "curated/small", "t1", connect=registry.connect)
    data = change if isinstance(change, bytes) else json.dumps(layout.config | change).encode()
    registry.blobs["curated/small"][f"sha256:{sha256_hex(data)}"] = data
    described = layout.config_descriptor._replace(sha256=sha256_hex(data), size=len(data)).plain()
    reference = put(registry, json.dumps(layout.manifest | {"config": described}).encode())
    with pytest.raises((CorruptError, BadInputError), match=says):
        pull(reference, tmp_path / "pulled", connect=registry.connect)
    assert not (tmp_path / "pulled" / "index.json").exists()


def saying(headers, *, status=202, registry="registry.example", asked=None):
    """Connect to a registry that answers everything so."""

    def answer(request):
        if asked is not None:
            asked.append(str(request.url))
        return httpx2.Response(status, headers=headers, content=b"{}")

    return Connection(registry, "a", transport=httpx2.MockTransport(answer), sleep=lambda _seconds: None)


@pytest.mark.parametrize(
    "location",
    [
        "http://elsewhere.example/x",
        "http://127.0.0.1:8470/api/requests",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://[",
        "//[::1",
        "https://h:port/",
    ],
)
def test_a_registry_sends_nobody_where_no_tls_is(tmp_path, location):
    asked = []
    path = tmp_path / "blob"
    path.write_bytes(b"secret")
    blob = Descriptor(LAYER, sha256_hex(b"secret"), 6)
    with saying({"Location": location}, asked=asked) as connection, pytest.raises(UpstreamError):
        send_blob(connection, blob, path)
    assert {url.partition("/v2/")[0] for url in asked} == {"https://registry.example"}


@pytest.mark.parametrize(
    "realm", ["http://127.0.0.1:8470/token", "http://elsewhere.example", "ftp://x", "http://[", ""]
)
def test_a_registry_far_away_has_no_token_service_here(realm):
    asked = []
    headers = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    with saying(headers, status=401, asked=asked) as connection, pytest.raises(UpstreamError, match="sends us to"):
        connection.ask("GET", "manifests/x", expect={200})
    assert len(asked) == 1


@pytest.mark.parametrize("said", ["\u00b2", "9" * 5000, "-1", "soon"])
def test_a_wait_that_is_no_number_is_ours_to_choose(said):
    waits = []
    with saying({"Retry-After": said.encode("latin-1")}, status=429) as connection:
        connection._sleep = waits.append
        with pytest.raises(UpstreamError, match="answered 429"):
            connection.ask("GET", "manifests/x", expect={200})
    assert max(waits) <= 60


def test_an_answer_without_end_is_cut(tmp_path):
    def pieces():
        for _ in range(1000):
            yield b" " * (1 << 20)
        pytest.fail("it was read to its end")

    def answer(request):
        return httpx2.Response(500, stream=Endless(pieces()))

    connection = Connection(HOST, "a", transport=httpx2.MockTransport(answer), sleep=lambda _seconds: None)
    with connection, pytest.raises(UpstreamError, match="too large"):
        connection.ask("GET", "manifests/x", expect={200})


class Endless(httpx2.SyncByteStream):
    """A body as it comes."""

    def __init__(self, pieces):
        self._pieces = pieces

    def __iter__(self):
        return self._pieces
