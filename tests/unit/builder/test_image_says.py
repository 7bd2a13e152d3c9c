"""What image.yaml says of an image, and what it cannot say."""

import gzip
import hashlib
import os
import stat
import zlib

import pytest

from sekisho.errors import BadInputError, NotFoundError, SekishoError
from sekisho_builder.assemble import assemble
from sekisho_builder.oci.layout import write_layout
from tests.unit.builder.room import SITE, House, definition, lock_of
from tests.wheels import make_wheel


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def placed(house, **more):
    house.assemble(make_wheel("alpha"), **more)
    return house.files()


def test_files_come_with_the_mode_and_owner_that_are_stated(house):
    house.write("start.sh", b"#!/bin/sh\n")
    house.write("conf/a.ini", b"a")
    house.write("conf/deep/b.ini", b"b")
    (house.source / "start.sh").chmod(0o600)
    found = placed(
        house,
        files=[
            {"from": "start.sh", "to": "/opt/start.sh", "mode": "0755", "owner": "7:8"},
            {"from": "conf", "to": "/home/job/conf", "owner": "1000"},
        ],
    )
    info, content = found["opt/start.sh"]
    assert (content, info.mode, info.uid, info.gid, info.uname, info.mtime) == (
        b"#!/bin/sh\n",
        0o755,
        7,
        8,
        "",
        315532800,
    )
    info, content = found["home/job/conf/deep/b.ini"]
    assert (content, info.mode, info.uid, info.gid) == (b"b", 0o644, 1000, 1000)
    for folder in ("home/job", "home/job/conf", "home/job/conf/deep"):
        assert (found[folder][0].uid, stat.S_IMODE(found[folder][0].mode)) == (1000, 0o755)
    assert found["home"][0].uid == 0
    assert house.layout().config["history"][-1]["created_by"] == "sekisho: files"


def test_a_changed_file_changes_its_layer_alone(house):
    said = [{"from": "a", "to": "/opt/a"}]
    house.write("a", b"one")
    before = house.assemble(make_wheel("alpha"), files=said)
    again = house.assemble(make_wheel("alpha"), files=said)
    house.write("a", b"two")
    after = house.assemble(make_wheel("alpha"), files=said)
    assert (before.manifest, again.built) == (again.manifest, 0)
    assert (after.built, after.reused) == (1, 2)
    assert house.files()["opt/a"][1] == b"two"


@pytest.mark.parametrize(
    ("source", "to", "says"),
    [
        ("missing", "/opt/a", "not there"),
        ("../small/a", "/opt/a", "leads out"),
        ("link", "/opt/a", "link"),
        ("folder", "/opt/a", "link"),
        ("a", "/lib/a", "a link in many bases"),
        ("a", "/tmp/a", "an engine has its own"),
        ("a", "/opt/../a", "climbs"),
        ("a", "/opt/.wh.a", "whiteout"),
        ("a", "/opt/venv/bin/python", "the virtual environment and the definition's `files`"),
        ("a", f"/{SITE}/alpha/__init__.py", "alpha and the definition's `files`"),
        ("a", f"/{SITE}/alpha", "has a file where"),
    ],
)
def test_files_that_cannot_be(house, source, to, says):
    house.write("a", b"a")
    house.write("folder/plain", b"a")
    (house.source / "link").symlink_to("a")
    (house.source / "folder" / "hidden").symlink_to("/etc/passwd")
    with pytest.raises(SekishoError, match=says) as caught:
        house.assemble(make_wheel("alpha"), files=[{"from": source, "to": to}])
    assert isinstance(caught.value, BadInputError | NotFoundError)
    assert caught.value.where
    assert caught.value.todo
    assert not (house.folder / "out").exists()


def test_two_files_of_one_path(house):
    house.write("a", b"a")
    said = [{"from": "a", "to": "/opt/a"}, {"from": "a", "to": "/opt/a", "mode": "0755"}]
    with pytest.raises(BadInputError, match="two of `files` go to /opt/a"):
        house.assemble(make_wheel("alpha"), files=said)


@pytest.mark.parametrize("gzip_way", ["spliced", "plain"])
def test_no_layer_is_larger_than_it_may_be(house, gzip_way):
    parts = {f"alpha/{number}.bin": os.urandom(60_000) for number in range(10)}
    made = house.assemble(make_wheel("alpha", files=parts), **{"layer-size": 200_000, "gzip": gzip_way})
    above = made.layers[1:]
    assert max(layer.size for layer in above) <= 200_000
    assert {layer.packages for layer in above[1:]} == {("alpha 1.0",)}
    assert len(above) in {5, 6}
    house.layout().verify()
    found = house.files()
    assert all(found[f"{SITE}/{name}"][1] == content for name, content in parts.items())
    again = house.assemble(make_wheel("alpha", files=parts), **{"layer-size": 200_000, "gzip": gzip_way})
    assert (again.built, again.manifest) == (0, made.manifest)


def test_a_part_that_is_missing_builds_the_package_again(house):
    wheel = make_wheel("alpha", files={f"alpha/{number}.bin": os.urandom(60_000) for number in range(5)})
    made = house.assemble(wheel, **{"layer-size": 200_000})
    next((house.folder / "cache").glob("1.*.tar.gz")).unlink()
    assert house.assemble(wheel, out="other", **{"layer-size": 200_000}).manifest == made.manifest
    house.layout("other").verify()


def test_a_file_that_no_layer_can_hold(house):
    wheel = make_wheel("alpha", files={"alpha/huge.bin": os.urandom(300_000)})
    with pytest.raises(BadInputError, match="the file alone has") as caught:
        house.assemble(wheel, **{"layer-size": 200_000})
    assert caught.value.where == f"/{SITE}/alpha/huge.bin"
    assert caught.value.todo == "raise `layer-size` in image.yaml"
    assert not [path for path in (house.folder / "cache").iterdir() if "huge" in path.name or path.name[0] in ".1"]
    assert not (house.folder / "out").exists()


def test_plain_gzip_is_one_member_around_the_same_tar(house):
    wheel = make_wheel("alpha", files={"alpha/text.py": b"x = 1\n" * 5000})
    house.assemble(wheel, gzip="plain")
    house.assemble(wheel, out="spliced")
    plain, spliced = house.layout(), house.layout("spliced")
    assert plain.config["rootfs"] == spliced.config["rootfs"]
    row = plain.layers[-1]
    inflater = zlib.decompressobj(31)
    tar = inflater.decompress(plain.blob(row.sha256).read_bytes())
    assert inflater.eof
    assert not inflater.unused_data
    assert tar == gzip.decompress(spliced.blob(spliced.layers[-1].sha256).read_bytes())
    assert f"sha256:{hashlib.sha256(tar).hexdigest()}" == plain.config["rootfs"]["diff_ids"][-1]


def test_too_many_layers(house):
    wheel = make_wheel("alpha", files={f"alpha/{number}.bin": os.urandom(60_000) for number in range(130)})
    with pytest.raises(BadInputError, match="engines stack 127") as caught:
        house.assemble(wheel, **{"layer-size": 100_000})
    assert "layer-size" in caught.value.todo


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"bytecode": "hash"}, "the same bytes on each run"),
        ({"labels": {"org.opencontainers.image.revision": "x"}}, "is made from the definition itself"),
        ({"workdir": "/tmp/x"}, "an engine has its own"),
        ({"prefix": "/opt/a b"}, "does not fit"),
        ({"workdir": "/etc"}, "cannot be the working folder"),
        ({"workdir": "/usr/share/x"}, "cannot be the working folder"),
        ({"workdir": "/opt"}, "cannot be the working folder"),
        ({"workdir": "/opt/venv/lib/python3.11/site-packages"}, "cannot be the working folder"),
        ({"workdir": "/srv/all", "prefix": "/srv/all/venv"}, "cannot be the working folder"),
    ],
)
def test_what_a_definition_cannot_say(house, more, says):
    with pytest.raises(BadInputError, match=says) as caught:
        house.assemble(make_wheel("alpha"), **more)
    assert caught.value.where == "images/small/image.yaml"
    assert caught.value.todo


@pytest.mark.parametrize(
    ("said", "locked", "says"),
    [
        ({"requirements": ("alpha", "beta")}, {}, "'beta' is asked for by the definition alone"),
        ({}, {"direct": ("alpha", "beta")}, "'beta' is asked for by the lock alone"),
        ({"requirements": ("gamma",)}, {"direct": ("gamma",)}, "gamma is not locked"),
        ({"requirements": ("alpha>=2",)}, {"direct": ("alpha>=2",)}, "alpha is locked as 1.0, and alpha>=2"),
        ({"name": "large"}, {}, "it is the lock of small"),
        ({"resolve-before": "2026-11-01T00:00:00Z"}, {}, "`resolve-before` is not given in the lock"),
    ],
)
def test_a_lock_that_does_not_match(house, said, locked, says):
    with pytest.raises(BadInputError, match=says) as caught:
        assemble(
            definition(**said),
            lock_of([make_wheel("alpha")], **locked),
            house.base,
            lambda artifact: artifact,
            cache=house.folder / "cache",
            out=house.folder / "out",
        )
    assert "sekisho request --image" in caught.value.todo
    assert not (house.folder / "cache").exists()


@pytest.mark.parametrize(("key", "value"), [("architecture", "arm64"), ("os", "windows")])
def test_a_base_of_another_platform(house, key, value):
    config = {"created": "2020-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", key: value}
    house.base = write_layout(house.folder / "foreign", [], config, {})
    with pytest.raises(BadInputError, match="the base is made for") as caught:
        house.assemble(make_wheel("alpha"))
    assert value in caught.value.what
    assert caught.value.where == "some of images/small/image.yaml"
    assert not (house.folder / "out").exists()
