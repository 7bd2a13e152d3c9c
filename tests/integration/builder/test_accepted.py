"""A reader of images that is not ours takes our spliced layers, and gets the bytes that the config names."""

import os
import shutil

import pytest

from bench.images.readers import Subject, skopeo, tag
from bench.place import MeasureError
from tests.unit.builder.room import House
from tests.wheels import make_wheel


@pytest.fixture
def subject(tmp_path):
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    house = House(tmp_path / "house")
    house.assemble(
        make_wheel("alpha", files={"alpha.py": b"x = 1\n" * 9000, "alpha.bin": os.urandom(400_000), "empty": b""}),
        make_wheel("beta", files={f"beta/{'n' * 120}/{number}.py": b"" for number in range(300)}),
        large_package=1,
    )
    return Subject(house.layout(), tag(house.layout(), tmp_path / "tagged"), "", frozenset(), "", tmp_path)


def test_skopeo_decompresses_every_layer_to_its_diff_id(subject):
    assert skopeo(subject) == "all 4 layers decompressed to their diff_ids"


def test_skopeo_refuses_a_layer_that_was_damaged(subject):
    blob = subject.tagged / "blobs" / "sha256" / subject.layout.layers[-1].sha256
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.unlink()
    blob.write_bytes(data)
    with pytest.raises(MeasureError, match="skopeo"):
        skopeo(subject)
