import json
import subprocess
import threading

import pytest

from sekisho.model.conda import conda_record
from tests.channels import Channel, FakeChannels, Link, Rattler, RattlerError, installed, make_package, python_package
from tests.channels.cpython import keep
from tests.channels.packages import PLACEHOLDER
from tests.channels.wheels import WheelFile, repacked
from tests.fake_upstream import run_asgi
from tests.wheels import make_wheel

HOLDER = PLACEHOLDER.encode()

LIB = make_package(
    "tinylib",
    noarch="python",
    files={"site-packages/tinylib/__init__.py": b"def main():\n    import sys; print('hello', sys.prefix)\n"},
    entry_points=("tinylib-hello = tinylib:main",),
)
DATA = make_package("tinydata", "1.1", ending=".tar.bz2", run_exports={"weak": ["tinydata >=1"]})
TOOL = make_package(
    "tinytool",
    "0.3",
    build="h1_0",
    subdir="linux-64",
    depends=("tinydata", "__glibc >=2.17"),
    constrains=("tinylib >=1",),
    files={
        "bin/tinytool": b"#!/bin/sh\ncat " + HOLDER + b"/share/tinydata/version.txt\n",
        "bin/tt": Link("tinytool"),
        "lib/libtt.so": b"\x7fELF\0" + HOLDER + b"/share\0rest",
        "bin/.tinytool-post-link.sh": b"#!/bin/sh\necho linked\n",
    },
    binary=frozenset({"lib/libtt.so"}),
    ending=".tar.bz2",
)


@pytest.fixture(scope="module")
def rattler(tmp_path_factory):
    with Rattler(tmp_path_factory.mktemp("rattler")) as client:
        yield client


@pytest.fixture
def upstream():
    return FakeChannels(channels={"chan": Channel((python_package(), installed("pip"), LIB, DATA, TOOL))})


def _says(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("sharded", [True, False])
def test_a_real_client_installs_from_a_channel_and_what_comes_out_runs(rattler, upstream, tmp_path, sharded):
    prefix = tmp_path / "env"
    with run_asgi(upstream) as base:
        rows = rattler.install([f"{base}/chan"], ["tinylib", "tinytool", "pip"], prefix, sharded=sharded)
    assert [row.name for row in rows] == ["pip", "python", "tinydata", "tinylib", "tinytool"]
    assert _says(prefix / "bin/tinylib-hello") == f"hello {prefix}"
    assert _says(prefix / "bin/tt") == "tinydata 1.1"
    assert _says(prefix / "bin/python", "-c", "import platform, ssl; print(platform.python_version())") == (
        python_package().version
    )
    assert str(prefix) in _says(prefix / "bin/python", "-m", "pip", "--version")
    assert (prefix / "lib/libtt.so").read_bytes().startswith(b"\x7fELF\0" + str(prefix).encode() + b"/share\0")
    asked = {(row.method, row.path.rpartition("/")[2]) for row in upstream.asked}
    assert (("GET", "repodata_shards.msgpack.zst") in asked) is sharded
    assert (("HEAD", "repodata.json.zst") in asked) is not sharded


def test_the_same_description_makes_the_same_bytes_in_both_formats():
    for ending in (".conda", ".tar.bz2"):
        assert TOOL.but(ending=ending).sha256 == TOOL.but(ending=ending).sha256
    assert TOOL.but(ending=".conda").sha256 != TOOL.sha256


def test_a_package_is_an_artifact_with_its_own_record():
    assert conda_record(TOOL.artifact(source="chan"))["depends"] == ["tinydata", "__glibc >=2.17"]
    assert TOOL.artifact().path == "linux-64/tinytool-0.3-h1_0.tar.bz2"


def test_py_rattler_indexes_the_packages_as_our_channel_does(rattler, tmp_path):
    channel = Channel((LIB, DATA, TOOL))
    for package in channel.packages:
        (tmp_path / package.subdir).mkdir(exist_ok=True)
        (tmp_path / package.path).write_bytes(package.data)
    rattler.index(tmp_path)
    for subdir in channel.subdirs:
        theirs = json.loads((tmp_path / subdir / "repodata.json").read_text())
        ours = channel.repodata(subdir)
        for part in ("packages", "packages.conda"):
            assert theirs[part].keys() == ours[part].keys()
            for filename, record in theirs[part].items():
                for key in record.keys() - {"indexed_timestamp"}:
                    assert record[key] == ours[part][filename][key]


def test_a_channel_says_what_it_is_told_to_say(rattler):
    lie = {**DATA.record, "version": "9.9", "build": "0"}
    channel = Channel((DATA,), records={"noarch/tinydata-9.9-0.tar.bz2": lie, DATA.path: None})
    with run_asgi(FakeChannels(channels={"chan": channel})) as base:
        (row,) = rattler.solve([f"{base}/chan"], ["tinydata"])
        assert row.version == "9.9"
        with pytest.raises(RattlerError, match="tinydata"):
            rattler.solve([f"{base}/chan"], ["tinydata ==1.1"])


NATIVE = make_wheel(
    "odd-native",
    "2.1",
    tag="cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    requires=("tzdata>=1", "pure[fast]!=0.5.*,~=1.0; python_version>'3'", "absent; python_version<'3'"),
    entry_points="[console_scripts]\nnative = odd_native:main\n",
    files={
        "odd_native/__init__.py": b"import pure, sys\ndef main():\n    print('native', pure.NAME, sys.prefix)\n",
        "odd_native-2.1.data/data/share/odd/x": b"data",
        "odd_native-2.1.data/scripts/odd-script": b"#!python\nimport sys\nprint('script', sys.prefix)\n",
    },
)
PURE = make_wheel(
    "pure",
    "1.3",
    requires=("extra-one; extra=='fast'",),
    entry_points="[console_scripts]\npure = pure:main [fast]\n",
    files={"pure/__init__.py": b"NAME = 'pure'\ndef main():\n    print('entry point')\n"},
)


def repacked_in(folder, wheel, **more):
    (folder / wheel.filename).write_bytes(wheel.data)
    minor = python_package().version.rpartition(".")[0]
    return repacked(WheelFile(folder / wheel.filename, wheel.sha256), minor, keep_in=folder, **more)


def test_wheels_of_both_kinds_are_repacked_and_what_a_client_makes_of_them_runs(rattler, tmp_path):
    native = repacked_in(tmp_path, NATIVE)
    pure = repacked_in(tmp_path, PURE, extras=frozenset({"fast"}))
    minor = python_package().version.rpartition(".")[0]
    assert (native.path, pure.path) == (
        f"linux-64/odd-native-2.1-py{minor.replace('.', '')}_0.conda", "noarch/pure-1.3-py_0.conda"
    )  # fmt: skip
    assert native.depends == (f"python {minor}.*", "pure !=0.5.*,~=1.0", "python-tzdata >=1", "__glibc >=2.17")
    assert pure.depends == ("python", "extra-one")
    assert repacked_in(tmp_path, NATIVE).sha256 == native.sha256, "it was kept"
    others = [make_package(name, noarch="python", depends=()) for name in ("python-tzdata", "extra-one")]
    prefix = tmp_path / "env"
    with run_asgi(FakeChannels(channels={"chan": Channel((python_package(), native, pure, *others))})) as base:
        rattler.install([f"{base}/chan"], ["odd-native"], prefix)
    assert _says(prefix / "bin/native") == f"native pure {prefix}"
    assert _says(prefix / "bin/odd-script") == f"script {prefix}"
    assert _says(prefix / "bin/pure") == "entry point"
    assert (prefix / "share/odd/x").read_bytes() == b"data"
    ask = "import importlib.metadata as m; print(m.version('odd-native'), all(f.locate().exists() for f in m.files('odd-native')))"
    assert _says(prefix / "bin/python", "-c", ask) == "2.1 True"


def test_what_is_kept_is_whole_although_many_keep_it(tmp_path):
    kept = tmp_path / "a" / "python.conda"
    threads = [threading.Thread(target=keep, args=(kept, bytes([n]) * 100_000)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(kept.read_bytes())) == 1
    assert len(kept.read_bytes()) == 100_000
    assert list(kept.parent.iterdir()) == [kept]
