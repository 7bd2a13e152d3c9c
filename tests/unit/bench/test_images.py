"""Peers beside our figures, and what the registry's log says was sent."""

import pytest

from bench.images.__main__ import beside
from bench.images.ours import _count
from bench.images.peers import Took
from bench.images.site import Registry
from bench.place import MeasureError
from bench.rows import Row
from sekisho.model import ImageReference
from sekisho_builder.assemble import Assembled, AssembledLayer
from sekisho_builder.oci import Pushed

A = "a" * 64
LOG = """\
127.0.0.1 - - [25/Nov/2026:18:00:00 +0000] "HEAD /v2/x/blobs/sha256:aa HTTP/1.1" 404 157 "" "sekisho"
127.0.0.1 - - [25/Nov/2026:18:00:00 +0000] "PUT /v2/x/blobs/uploads/1?digest=sha256:aa HTTP/1.1" 201 0 "" "sekisho"
127.0.0.1 - - [25/Nov/2026:18:00:00 +0000] "PUT /v2/x/manifests/1 HTTP/1.1" 201 0 "" "sekisho"
time="2026-11-25" level=error msg="response completed with error"
"""


class Server:
    def __init__(self, log):
        self.log = log


def test_the_registrys_log_says_what_was_put(tmp_path):
    (tmp_path / "log").write_text(LOG)
    assert Registry("r", Server(tmp_path / "log")).puts() == ["/v2/x/blobs/uploads/1", "/v2/x/manifests/1"]


def made(built):
    layers = tuple(AssembledLayer(sha256=A, size=2_000_000, reused=number >= built) for number in range(3))
    return Assembled(manifest=A, size=1, built=built, reused=3 - built, layers=layers)


def pushed(sent):
    reference = ImageReference(registry="r", repository="x", manifest=A, lock=A)
    return Pushed(reference=reference, sent=sent, skipped=1, sent_bytes=1)


PUTS = ["/v2/x/blobs/uploads/1", "/v2/x/blobs/uploads/2", "/v2/x/manifests/1"]


def test_one_layer_config_and_manifest_count_as_promised():
    assert _count(made(1), pushed(2), PUTS) == "1 layer of 3 (2 MB), the config and the manifest were sent"


@pytest.mark.parametrize(
    ("built", "sent", "puts"),
    [(2, 2, PUTS), (1, 3, PUTS), (1, 2, PUTS[1:]), (1, 2, [*PUTS, PUTS[0]]), (1, 2, [*PUTS, PUTS[2]]), (1, 2, [])],
)
def test_anything_else_is_no_figure(built, sent, puts):
    with pytest.raises(MeasureError, match="instead of one layer"):
        _count(made(built), pushed(sent), puts)


def test_peers_stand_beside_the_row_that_they_measured():
    names = ("pandas changed in an image", "nothing changed: rebuild", "cold assembly of 89", "cold assembly of torch")
    rows = beside([Row(name, 1.0, "s", 1, "lower") for name in names], {"peer": Took(9, 8, 7)}, {"other": "not here"})
    assert [dict(row.peers) for row in rows] == [{"peer": 8}, {"peer": 7}, {"peer": 9}, {}, {}]
    assert (rows[-1].name, rows[-1].value, rows[-1].note) == ("other", None, "not here")
