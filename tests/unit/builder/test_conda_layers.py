"""Conda packages become layers: what lies where, and what is refused."""

import bz2
import hashlib
import json
import os
import subprocess
import sys

import deflate
import pytest

from sekisho.errors import BadInputError, CorruptError, SekishoError
from sekisho_builder.assemble.deflate import pack
from tests import conda_archives
from tests.channels.packages import PLACEHOLDER, Link, make_package
from tests.conda_archives import hard, member
from tests.unit.builder.conda_room import (
    BINARY,
    HOME,
    LIBRARY,
    PACKAGES,
    PREFIX,
    PYTHON,
    SCRIPT,
    SITE,
    TOOL,
    CondaHouse,
)
from tests.wheels import make_wheel

ALPHA = make_wheel(
    "alpha",
    entry_points="[console_scripts]\nhello = alpha:main\n",
    files={"alpha/__init__.py": b"def main():\n    print('hello')\n"},
)


@pytest.fixture
def house(tmp_path):
    return CondaHouse(tmp_path)


def test_members_lie_where_the_environment_has_them_with_its_prefix(house):
    house.lay(*PACKAGES)
    texts = house.texts()
    assert texts["bin/tool"] == SCRIPT.replace(PLACEHOLDER.encode(), HOME.encode())
    assert texts["bin/library-script"] == texts["bin/tool"]
    assert texts["lib/python3.11/site-packages/library/__init__.py"].startswith(b"def main")
    assert texts["share/library.txt"] == b"shared\n"
    assert len(texts["bin/python3.11"]) == len(BINARY)
    assert f"{HOME}/lib:{HOME}/lib64\0".encode() in texts["bin/python3.11"]
    assert texts["bin/python3.11"].endswith(b"\0after\0")
    assert not [path for path in texts if path.endswith(".pyc")]
    assert texts["bin/library-hello"].startswith(f"#!{HOME}/bin/python\n".encode())
    assert b"from library import main" in texts["bin/library-hello"]


def test_modes_links_and_owners(house):
    house.lay(*PACKAGES)
    entries = {path.removeprefix(f"{PREFIX}/"): info for path, (info, _) in house.files().items()}
    assert entries["bin/tool"].mode == entries["bin/library-hello"].mode == 0o755
    assert entries["share/tool/data.txt"].mode == 0o644
    assert (entries["lib/libtool.so"].issym(), entries["lib/libtool.so"].linkname) == (True, "libtool.so.1")
    assert {(info.uid, info.gid, info.mtime) for info in entries.values() if info.name.startswith(PREFIX)} == {
        (0, 0, 315532800)
    }


def test_the_environment_records_its_packages(house):
    house.lay(*PACKAGES)
    told = house.record(LIBRARY)
    assert (told["name"], told["version"], told["build"], told["noarch"]) == ("library", "2.0", "pyhd_0", "python")
    assert (told["fn"], told["channel"], told["subdir"]) == ("library-2.0-pyhd_0.conda", "fake", "noarch")
    assert told["url"] == "https://conda.invalid/fake/noarch/library-2.0-pyhd_0.conda"
    assert (told["sha256"], told["size"]) == (LIBRARY.sha256, len(LIBRARY.data))
    assert (told["requested_spec"], told["link"]["type"]) == ("library >=2", 3)
    assert "requested_spec" not in house.record(TOOL)
    texts = house.texts()
    rows = {row["_path"]: row for row in told["paths_data"]["paths"]}
    assert sorted(rows) == told["files"]
    for path, row in rows.items():
        assert hashlib.sha256(texts[path]).hexdigest() == row["sha256_in_prefix"], path
    assert rows["bin/library-script"]["sha256"] == hashlib.sha256(SCRIPT).hexdigest()
    assert (rows["bin/library-script"]["prefix_placeholder"], rows["bin/library-script"]["file_mode"]) == (
        PLACEHOLDER,
        "text",
    )
    assert rows["bin/library-hello"]["path_type"] == "unix_python_entry_point"
    assert "lib/python3.11/__pycache__/os.cpython-311.pyc" not in house.record(PYTHON)["files"]
    history = texts["conda-meta/history"].decode()
    assert "# update specs: ['python', 'library >=2']" in history
    assert history.startswith("==> 1980-01-01 00:00:00 <==\n")


def test_clients_read_what_is_recorded(house, tmp_path):
    """py-rattler reads every record; in a process of its own, since it may crash while an interpreter ends."""
    house.lay(*PACKAGES)
    folder = tmp_path / "env" / "conda-meta"
    folder.mkdir(parents=True)
    for package in PACKAGES:
        (folder / f"{package.stem}.json").write_bytes(house.texts()[f"conda-meta/{package.stem}.json"])
    ask = (
        "import os, sys, rattler\n"
        "for path in sys.argv[1:]:\n"
        "    found = rattler.PrefixRecord.from_path(path)\n"
        "    print(found.name.normalized, found.version, found.build, found.sha256.hex(), len(found.files),"
        " found.requested_spec)\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    paths = sorted(str(path) for path in folder.iterdir())
    said = subprocess.run([sys.executable, "-c", ask, *paths], capture_output=True, text=True, check=False)
    assert [line.split()[:4] for line in said.stdout.splitlines()] == [
        [package.name, package.version, package.build, package.sha256] for package in sorted(PACKAGES, key=lambda p: p.name)
    ], said.stderr  # fmt: skip
    assert "library >=2" in said.stdout


def test_wheels_go_into_the_environments_python(house):
    made = house.lay(*PACKAGES, wheels=[ALPHA])
    texts = house.texts()
    assert texts["bin/hello"].startswith(f"#!{HOME}/bin/python\n".encode())
    assert f"{SITE}/alpha/__init__.py" in house.files()
    assert not [path for path in texts if path.endswith("pyvenv.cfg")]
    environment = house.layout().config["config"]["Env"]
    assert f"CONDA_PREFIX={HOME}" in environment
    assert not [row for row in environment if row.startswith("VIRTUAL_ENV")]
    packages = [set(layer.packages) for layer in made.layers if layer.packages]
    assert {"alpha 1.0"} in packages


def test_site_packages_may_lie_elsewhere(house):
    place = "lib/python3.11t/site-packages"
    python = PYTHON.but(build="h1_t")
    python.__dict__["index"] = python.index | {"python_site_packages_path": place}
    house.lay(python, LIBRARY, wheels=[ALPHA])
    texts = house.texts()
    assert f"{place}/library/__init__.py" in texts
    assert f"{place}/alpha/__init__.py" in texts


def test_a_second_assembly_asks_for_nothing_and_a_changed_package_builds_one_layer(house):
    first = house.lay(*PACKAGES, wheels=[ALPHA], large_package=1)
    asked = len(house.asked)
    again = house.lay(*PACKAGES, wheels=[ALPHA], large_package=1)
    assert (first.manifest, again.built, len(house.asked)) == (again.manifest, 0, asked)
    other = TOOL.but(build="h2_1")
    assert house.lay(PYTHON, other, LIBRARY, wheels=[ALPHA], large_package=1).built == 1


def test_the_digest_depends_on_package_prefix_and_python_alone(house):
    one = house.lay(*PACKAGES)
    assert house.lay(*PACKAGES[::-1], out="o2", cache="c2").manifest == one.manifest
    moved = house.lay(*PACKAGES, prefix="/opt/other", out="o3")
    assert moved.built == 4
    assert moved.manifest != one.manifest


def test_what_is_packed_is_the_same_on_each_machine():
    """libdeflate's bytes are part of an image's digest: another version of it is seen here, and raises LAYER_FORMAT."""
    text = b"".join(b"%d squared is %d\n" % (number, number * number) for number in range(9000)) + bytes(2000)
    digest = hashlib.sha256(bytes(deflate.deflate_compress(text, 3))).hexdigest()
    assert digest == "ca87b2260f0c2f9ec31ebdd884a34f1a73dd98ef5dd351b29a61bbc4916724c1"
    assert len(deflate.deflate_compress(text, 3)) < len(pack(text)) / 2


def test_a_layer_that_would_be_too_large_is_divided(house):
    big = make_package("big", subdir="linux-64", files={f"share/{n}.bin": os.urandom(60_000) for n in range(8)})
    made = house.lay(*PACKAGES, big, layer_size=200_000)
    assert max(layer.size for layer in made.layers) <= 200_000
    assert sum(path.startswith("share/") and path.endswith(".bin") for path in house.texts()) == 8


CLASHING = make_package("clashing", subdir="linux-64", files={"share/tool/data.txt": b"other\n"})
SHARING = make_package("sharing", subdir="linux-64", files={"share/tool/data.txt": b"data\n"})
OVER = make_wheel("over", files={"over-1.0.data/data/share/tool/data.txt": b"wheel\n", "over/__init__.py": b""})


@pytest.mark.parametrize("large", [1, 1_000_000])
def test_two_packages_that_put_different_files_at_one_path_are_named(house, large):
    with pytest.raises(BadInputError, match=r"conda's (clashing|tool) and conda's (clashing|tool) put different"):
        house.lay(*PACKAGES, CLASHING, large_package=large)
    with pytest.raises(BadInputError, match="conda's tool and over put different files") as caught:
        house.lay(*PACKAGES, wheels=[OVER], large_package=large)
    assert caught.value.where == f"/{PREFIX}/share/tool/data.txt"


@pytest.mark.parametrize("large", [1, 1_000_000])
def test_two_packages_may_share_the_same_bytes(house, large):
    house.lay(*PACKAGES, SHARING, large_package=large)
    assert house.texts()["share/tool/data.txt"] == b"data\n"


def scripted(*names):
    return make_package(
        "scripted", subdir="linux-64", files={f"bin/.scripted-{name}.sh": b"exit 1\n" for name in names}
    )


@pytest.mark.parametrize("name", ["post-link", "pre-link", "pre-unlink"])
def test_link_scripts_are_named_and_never_run(house, name):
    package = scripted(name)
    with pytest.raises(BadInputError, match=rf"bin/\.scripted-{name}\.sh") as caught:
        house.lay(PYTHON, package)
    assert "unrun-scripts" in caught.value.todo
    reason = {"package": "scripted", "reason": "it only greets whoever installs it"}
    house.lay(PYTHON, package, unrun_scripts=[reason])
    assert house.texts()[f"bin/.scripted-{name}.sh"] == b"exit 1\n"


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (make_package("a", files={"conda-meta/other-1-0.json": b"{}"}), "only an installer"),
        (make_package("a", noarch="python", files={"site-packages/a.py": b"", "lib/python3.11/site-packages/a.py": b""}),
         "go to one place"),
        (make_package("a", noarch="python", entry_points=("a = a:class",)), "what Python could import"),
        (make_package("a", files={"bin/x": Link("../../../etc/passwd")}), "leads out of the prefix"),
        (make_package("a", files={"a/.wh.b": b""}), "whiteout"),
    ],
)  # fmt: skip
def test_what_no_image_can_have_is_refused_with_its_name(house, package, says):
    with pytest.raises(SekishoError, match=says) as caught:
        house.lay(PYTHON, package)
    assert package.filename in caught.value.where
    assert not list((house.folder / "cache").glob(".*"))


def test_a_prefix_that_a_binary_has_no_room_for(house):
    with pytest.raises(BadInputError, match="room for a prefix of 88 bytes, and this one has 101") as caught:
        house.lay(PYTHON, prefix="/" + "p" * 100)
    assert caught.value.where == f"{PYTHON.filename}: bin/python3.11"


def test_bytes_that_belie_the_packages_own_list(house):
    paths = {"paths": [{"_path": "share/a", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 1}]}
    wrong = {"info/paths.json": json.dumps(paths | {"paths_version": 1}).encode()}
    belied = make_package("a", files={"share/a": b"x"}, info=wrong)
    with pytest.raises(CorruptError, match=r"not the hash that paths\.json states"):
        house.lay(PYTHON, belied)
    unlisted = make_package("a", files={"share/b": b"y", "share/a": b"x"}, info=wrong)
    with pytest.raises(CorruptError, match="does not list it"):
        house.lay(PYTHON, unlisted)
    missing = make_package("a", files={}, info=wrong)
    with pytest.raises(CorruptError, match="lists it, and has it not"):
        house.lay(PYTHON, missing)


def test_another_file_than_the_locked_one(house):
    changed = make_package("changed", subdir="linux-64")
    changed.__dict__["sha256"] = "0" * 64
    with pytest.raises(CorruptError, match=r"conda package changed 1\.0 is not the locked file"):
        house.lay(PYTHON, changed)


@pytest.mark.parametrize(
    ("packages", "more", "says"),
    [
        ((TOOL,), {"conda": ("tool",)}, "no Python is among the conda packages"),
        ((PYTHON.but(version="3.11.9"),), {}, r"Python is locked as 3\.11\.9, and the target is 3\.11\.2"),
        ((PYTHON,), {"conda": ("python", "tool")}, "no locked conda package is what tool"),
        ((PYTHON,), {"channels": ("other",)}, "is of the channel fake"),
        ((PYTHON.but(subdir="osx-64"),), {}, "is for osx-64"),
        ((PYTHON,), {"unrun_scripts": [{"package": "gone", "reason": "it is not there"}]}, "gone, which is not locked"),
    ],
)
def test_what_does_not_fit_together(house, packages, more, says):
    with pytest.raises(BadInputError, match=says):
        house.lay(*packages, **more)


def odd(members, *, ending=".conda", **said):
    """A package of members that no builder would make."""
    data = conda_archives.package(members, ending=ending, **said)
    return make_package("thing", "1.0", build="h1_0", subdir="linux-64", ending=ending, spoilt=data)


def test_second_names_of_a_file_are_kept(house):
    package = odd([member("lib/a.so", b"library"), hard("lib/b.so", "lib/a.so")], paths=[
        {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(b"library").hexdigest(), "size_in_bytes": 7}
        for path in ("lib/a.so", "lib/b.so")
    ])  # fmt: skip
    house.lay(PYTHON, package)
    info, _ = house.files()[f"{PREFIX}/lib/b.so"]
    assert (info.islnk(), info.linkname) == (True, f"{PREFIX}/lib/a.so")


def test_a_second_name_that_is_listed_as_another_file(house):
    rows = [
        {"_path": "lib/a.so", "sha256": hashlib.sha256(b"library").hexdigest(), "size_in_bytes": 7},
        {"_path": "lib/b.so", "sha256": "0" * 64, "size_in_bytes": 7},
    ]
    with pytest.raises(CorruptError, match="is listed as another"):
        house.lay(PYTHON, odd([member("lib/a.so", b"library"), hard("lib/b.so", "lib/a.so")], paths=rows))


def test_a_file_that_would_run_as_another_user_is_refused(house):
    with pytest.raises(BadInputError, match="setuid or setgid"):
        house.lay(PYTHON, odd([member("bin/su", b"x", mode=0o4755)]))


def test_a_package_that_is_older_than_lists_of_paths(house):
    """What ``has_prefix`` says counts, and the hash of the whole package is all that its files are held to."""
    text = b"#!/opt/anaconda1anaconda2anaconda3/bin/python\n"
    members = [member("bin/old", text, mode=0o775), member("share/old.txt", b"old")]
    lists = {"files": b"bin/old\nshare/old.txt\n", "has_prefix": b"bin/old\n"}
    index = json.dumps({"name": "thing", "version": "1.0", "build": "h1_0", "build_number": 0, "depends": []}).encode()
    info = [member("info/index.json", index), *(member(f"info/{name}", data) for name, data in lists.items())]
    data = bz2.compress(conda_archives.tar([*members, *info]))
    house.lay(PYTHON, make_package("thing", build="h1_0", subdir="linux-64", ending=".tar.bz2", spoilt=data))
    assert house.texts()["bin/old"] == f"#!{HOME}/bin/python\n".encode()
    rows = json.loads(house.texts()["conda-meta/thing-1.0-h1_0.json"])["paths_data"]["paths"]
    assert rows[1] == {"_path": "share/old.txt", "path_type": "hardlink", "sha256_in_prefix": hashlib.sha256(b"old").hexdigest()}  # fmt: skip


def test_a_text_that_is_too_large_for_the_memory_is_replaced_as_well(house):
    text = (os.urandom(500).hex() + PLACEHOLDER + "\n").encode() * 9000
    house.lay(PYTHON, make_package("large", subdir="linux-64", files={"share/large.txt": text}))
    assert house.texts()["share/large.txt"] == text.replace(PLACEHOLDER.encode(), HOME.encode())
