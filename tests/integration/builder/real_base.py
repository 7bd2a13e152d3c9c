"""An image assembled on the real base of this machine, with the papers that its gates need."""

from pathlib import Path

import pytest

from sekisho.errors import MissingToolError, UpstreamError
from sekisho.settings import load_settings
from sekisho_builder.assemble import assemble
from sekisho_builder.base import open_base
from sekisho_builder.gates import Made, OnRecord
from sekisho_builder.oci.layout import Layout
from tests.records import policy
from tests.unit.builder.gating import LICENCE, WEAKNESS, allow_all

IMAGES = Path(__file__).parents[3] / "images"


def on_the_real_base(folder, made, lock, packages):
    """Assemble what is locked, and return the image's papers; skip where the base cannot be had."""
    try:
        base = open_base(made, IMAGES, load_settings())
    except (MissingToolError, UpstreamError) as error:
        pytest.skip(f"no base image: {error.what}")
    for one in packages:
        (folder / one.sha256).write_bytes(one.data)

    def find(row):
        return folder / row.sha256

    def put(cache, out):
        assemble(made, lock, base.layout, find, cache=cache, out=out, folder=folder, debs=find)
        return Layout(out)

    return Made(
        definition=made, lock=lock, layout=put(folder / "cache", folder / "out"), base=base.layout, folder=folder,
        debs=find, wheels=find, again=lambda empty: put(empty / "cache", empty / "out"),
        keep=lambda name, data: (folder / name).write_bytes(data) and None,
        record=OnRecord(policy=policy(LICENCE, WEAKNESS), judgement=allow_all(lock)),
    )  # fmt: skip
