import json
import tarfile

import pytest

from sekisho.errors import BadInputError, CorruptError
from sekisho_builder.oci import Layout, to_docker_archive
from sekisho_builder.oci.layout import LAYER, Descriptor, oci_type
from tests.unit.builder.room import House
from tests.wheels import make_wheel


@pytest.fixture
def layout(tmp_path):
    house = House(tmp_path)
    house.assemble(make_wheel("alpha"))
    return house.layout()


def test_a_layout_has_what_the_spec_asks_for(layout):
    assert json.loads((layout.folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    manifest = layout.manifest
    assert manifest["schemaVersion"] == 2
    assert len(layout.config["rootfs"]["diff_ids"]) == len(layout.config["history"]) == len(layout.layers) == 3
    assert {row.media_type for row in layout.layers} == {LAYER}
    assert layout.size == sum(path.stat().st_size for path in layout.blob("").iterdir())


def test_a_docker_archive_lists_config_and_layers(layout, tmp_path):
    path = to_docker_archive(layout, tmp_path / "image.tar")
    with tarfile.open(path) as archive:
        listing = json.load(archive.extractfile("manifest.json"))
        names = archive.getnames()
        first = archive.extractfile(listing[0]["Layers"][0]).read()
    assert listing[0]["Config"] == f"{layout.config_descriptor.sha256}.json"
    assert {*listing[0]["Layers"], listing[0]["Config"], "manifest.json"} == set(names)
    assert first == layout.blob(layout.layers[0].sha256).read_bytes()


@pytest.mark.parametrize("which", ["config", "layer", "manifest"])
def test_damage_is_noticed(layout, which):
    sha256 = {
        "config": layout.config_descriptor.sha256,
        "layer": layout.layers[-1].sha256,
        "manifest": layout.manifest_sha256,
    }[which]
    path = layout.blob(sha256)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"!")
    with pytest.raises(CorruptError, match="damaged"):
        Layout(layout.folder).verify()


def test_a_layout_of_two_images_is_refused(layout):
    index = json.loads((layout.folder / "index.json").read_bytes())
    index["manifests"] *= 2
    (layout.folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(BadInputError, match="2 manifests"):
        layout.verify()


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"mediaType": "x", "digest": "sha256:../../etc", "size": 1},
        {"mediaType": "x", "digest": "md5:1", "size": 1},
    ],
)
def test_descriptors_that_cannot_be(value):
    with pytest.raises(BadInputError):
        Descriptor.parse(value, where="here")


def test_dockers_layers_are_called_by_their_oci_name():
    assert oci_type("application/vnd.docker.image.rootfs.diff.tar.gzip") == LAYER
