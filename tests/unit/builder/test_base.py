import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from sekisho.errors import BadInputError, MissingToolError, NotFoundError, UpstreamError
from sekisho.settings import load_settings
from sekisho_builder.base import open_base
from sekisho_builder.base.debian import build_root
from sekisho_builder.base.recipe import Versions, parse_status, read_recipe, read_versions
from sekisho_builder.oci import push
from sekisho_builder.oci.layout import INDEX
from tests.records import TARGET
from tests.unit.builder.fake_registry import FakeRegistry
from tests.unit.builder.room import House, definition
from tests.wheels import make_wheel

IMAGES = Path(__file__).parents[3] / "images"
FOUND = {"libc6": "2.36-9+deb12u14", "python3.11-minimal": "3.11.2-6+deb12u9", "dash": "0.5.12-2"}


class Workshop:
    """A folder of images, a cache, and a builder of roots that finds ``FOUND`` at the mirror."""

    def __init__(self, folder):
        self.images = folder / "images"
        (self.images / "some").mkdir(parents=True)
        (self.images / "some" / "base.yaml").write_text((IMAGES / "debian-12-python" / "base.yaml").read_text())
        self.settings = load_settings(base_cache=folder / "bases")
        self.found = dict(FOUND)
        self.pins = []
        self.registry = FakeRegistry()

    def lock(self, versions):
        (self.images / "some" / "packages.lock").write_text(Versions(versions).text())

    def build(self, recipe, versions, mirror, target):
        self.pins.append(versions.by_name)
        with tarfile.open(target, "w") as archive:
            data = Versions(self.found).text().encode()
            info = tarfile.TarInfo("./packages")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        return Versions(self.found)

    def open(self, **more):
        return open_base(
            definition(**more), self.images, self.settings, build=self.build, connect=self.registry.connect
        )


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def test_the_first_time_there_is_no_lock_and_one_comes_back(workshop):
    base = workshop.open()
    assert not base.reused
    assert base.relocked == "dash=0.5.12-2\nlibc6=2.36-9+deb12u14\npython3.11-minimal=3.11.2-6+deb12u9\n"
    assert "folder" not in base.plain()


def test_a_locked_base_is_built_once(workshop):
    workshop.lock(FOUND)
    first, second = workshop.open(), workshop.open()
    assert (first.reused, second.reused) == (False, True)
    assert first.manifest == second.manifest
    assert (first.relocked, second.relocked) == (None, None)
    assert workshop.pins == [FOUND]
    assert [path.name[0] for path in workshop.settings.base_cache.iterdir()] != ["."]


def test_a_version_that_the_mirror_dropped_is_locked_anew(workshop):
    workshop.lock(FOUND | {"dash": "0.5.12-1"})
    base = workshop.open()
    assert "dash=0.5.12-2\n" in base.relocked
    workshop.lock(read_versions_of(base.relocked))
    assert workshop.open().reused


def read_versions_of(text):
    return dict(line.split("=") for line in text.splitlines())


def test_the_layer_is_one_gzip_member_without_time(workshop):
    layout = workshop.open().layout
    data = layout.blob(layout.layers[0].sha256).read_bytes()
    tar = gzip.decompress(data)
    assert data[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert layout.config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}"]


@pytest.mark.parametrize("changed", [{"libc6": "2.31-1"}, {"python3.11-minimal": "3.11.4-1"}])
@pytest.mark.parametrize("locked", [True, False])
def test_a_base_that_does_not_fit_the_target(workshop, changed, locked):
    workshop.found |= changed
    if locked:
        workshop.lock(workshop.found)
    with pytest.raises(BadInputError, match="target wants"):
        workshop.open()
    assert not list(workshop.settings.base_cache.glob("*"))


def test_no_base_at_all(workshop):
    with pytest.raises(BadInputError, match="names no base"):
        workshop.open(base={})
    with pytest.raises(NotFoundError):
        workshop.open(base={"debian": "nowhere"})


def test_a_registry_that_does_not_answer_gives_way_to_the_recipe(workshop):
    nowhere = "registry.example/base@sha256:" + "0" * 64
    workshop.registry.faults = [("GET", "manifests", "drop")] * 10
    workshop.lock(FOUND)
    assert not workshop.open(base={"image": nowhere, "debian": "some"}).reused
    with pytest.raises(UpstreamError, match="does not answer"):
        workshop.open(base={"image": nowhere})


def test_a_base_that_a_registry_has_is_pulled_once(workshop, tmp_path):
    house = House(tmp_path / "house")
    house.assemble(make_wheel("alpha"))
    reference = push(house.layout(), "registry.example", "base", "t", connect=workshop.registry.connect).reference
    first = workshop.open(base={"image": str(reference), "debian": "some"})
    workshop.registry.requests.clear()
    second = workshop.open(base={"image": str(reference)})
    assert (first.manifest, first.reused, second.reused) == (reference.manifest, False, True)
    assert not workshop.registry.requests
    first.layout.verify()


def test_an_index_gives_each_platform_its_own_base(workshop, tmp_path):
    house, rows = House(tmp_path / "house"), []
    for architecture, release in (("amd64", "1.0"), ("arm64", "2.0")):
        house.assemble(make_wheel("alpha", release))
        pushed = push(house.layout(), "registry.example", "base", architecture, connect=workshop.registry.connect)
        row = json.loads((house.layout().folder / "index.json").read_bytes())["manifests"][0]
        rows.append((pushed.reference.manifest, {**row, "platform": {"os": "linux", "architecture": architecture}}))
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row for _, row in rows]}).encode()
    with workshop.registry.connect("registry.example", "base") as connection:
        connection.ask("PUT", "manifests/all", expect={201}, content=index)
    base = {"image": f"registry.example/base@sha256:{hashlib.sha256(index).hexdigest()}"}
    arm = TARGET.model_copy(update={"arch": "aarch64"})
    found = [workshop.open(base=base), workshop.open(base=base, target=arm), workshop.open(base=base)]
    assert [one.manifest for one in found] == [rows[0][0], rows[1][0], rows[0][0]]
    assert [one.reused for one in found] == [False, False, True]


def test_without_mmdebstrap_the_error_says_what_to_install(workshop, tmp_path):
    recipe = read_recipe(workshop.images / "some")
    with pytest.raises(MissingToolError) as caught:
        build_root(recipe, Versions({}), None, tmp_path / "x", find=lambda _tool: None)
    assert "mmdebstrap" in caught.value.todo


def test_dpkg_status_is_read():
    status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nDescription: x\n more: y\n\n"
    status += "Package: b\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert parse_status(status).by_name == {"a": "1:2-3"}


@pytest.mark.parametrize("text", ["a\n", "a=1\na=1\n", "a==1\n", "a=1; rm -rf /\n"])
def test_locks_that_cannot_be(tmp_path, text):
    (tmp_path / "packages.lock").write_text(text)
    with pytest.raises(BadInputError, match="name=version"):
        read_versions(tmp_path / "packages.lock")


@pytest.mark.parametrize("name", ["debian-12-python", "debian-12-build"])
def test_the_recipes_in_the_tree_and_their_locks_fit_the_sklearn_image(name):
    recipe = read_recipe(IMAGES / name)
    versions = read_versions(IMAGES / name / "packages.lock")
    versions.check(definition().target, where="here")
    assert set(recipe.packages) <= versions.by_name.keys()
    assert not {"apt", "perl", *recipe.never} & versions.by_name.keys()


def test_what_is_built_meets_the_same_libraries_as_what_runs():
    runs, builds = (
        read_versions(IMAGES / f"debian-12-{name}" / "packages.lock").by_name for name in ("python", "build")
    )
    assert runs.items() <= builds.items()
    assert not {"gcc", "libc6-dev"} & runs.keys()
