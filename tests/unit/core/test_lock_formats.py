"""What each format says of one lock, read back by the tools that install from it."""

import json
import subprocess
import sys

import pytest
import yaml
from packaging.pylock import Pylock
from rattler import LockFile
from rattler.explicit_environment import ExplicitEnvironmentSpec

from sekisho.errors import BadInputError, ConflictError, RefusedError
from sekisho.lock import (
    FORMATS,
    DoorAddress,
    Lock,
    lock_digest,
    make_lock,
    read_conda_lock,
    to_requirements,
    write_lock,
)
from sekisho.model import conda_artifact
from sekisho.wanted.pylock import read_pylock
from tests.records import NOW, approval, artifact, closure, sha

DOOR = DoorAddress("https://packages.example/", "team-a")
HERE = "https://packages.example/w/team-a"
SIX = artifact("six", "1.17.0", index={"requires-python": ">=3.9"})
NUMPY = artifact()


def package(name, version="1.0", *, depends=(), subdir="linux-64", source="forge", ending=".conda", md5=True, **more):
    filename = f"{name}-{version}-h1_0{ending}"
    record = {"name": name, "version": version, "build": "h1_0", "subdir": subdir, "depends": list(depends)}
    record |= {"sha256": sha(filename), "size": 10, "build_number": 0, "license": "MIT"}
    return conda_artifact(source, filename, record | ({"md5": "0" * 31 + "1"} if md5 else {}) | more, subdir=subdir)


PYTHON = package("python", "3.11.2", depends=["__glibc >=2.17", "zlib >=1,<2", "zlib !=1.5"])
ZLIB = package("zlib", "1.3", ending=".tar.bz2")
NOARCH = package("tool", "2.0", depends=["python >=3.9"], subdir="noarch", noarch="python", source="house")
ALL = (SIX, NUMPY, PYTHON, ZLIB, NOARCH)


def locked(*artifacts, edges=(("numpy", "six"), ("numpy", "conda:python")), **more):
    made = closure(*artifacts, edges=edges, direct=("numpy",), conda=("python 3.11.*", "tool"), **more)
    return make_lock("bench", made, [approval(*artifacts, scope=("team-a",))], workspace="team-a", now=NOW)


MIXED = locked(*ALL)


def test_each_file_names_the_door_and_no_other_place():
    for name in FORMATS:
        text = write_lock(MIXED, name, DOOR)
        assert text.count("//") == text.count(f"{HERE}/"), name
    assert "//" not in write_lock(MIXED, "requirements", DOOR)


def test_a_lock_keeps_what_was_asked_for_and_who_needs_whom():
    again = Lock.parse_json(MIXED.canonical(), where="x")
    assert again == MIXED
    assert (again.direct, again.conda) == (("numpy",), ("python 3.11.*", "tool"))
    assert [edge.needs for edge in again.edges] == ["conda:python", "six"]


def test_pylock_is_what_its_standard_says_and_is_read_back_with_its_hashes():
    text = write_lock(MIXED, "pylock", DOOR)
    read = read_pylock(text, where="pylock.toml")
    assert read.requirements == ("numpy==2.1.0", "six==1.17.0")
    assert read.hashes == {"numpy": (NUMPY.sha256,), "six": (SIX.sha256,)}
    import tomllib

    lock = Pylock.from_dict(tomllib.loads(text))
    numpy, six = lock.packages
    assert str(six.requires_python) == ">=3.9"
    assert (numpy.wheels[0].url, numpy.wheels[0].size) == (f"{HERE}/pypi/files/{NUMPY.path}", NUMPY.size)
    assert numpy.dependencies == [{"name": "six"}]
    assert lock.environments[0].evaluate(MIXED.target.markers())


def test_py_rattler_reads_the_pixi_lock(tmp_path):
    path = tmp_path / "pixi.lock"
    path.write_text(write_lock(MIXED, "pixi", DOOR))
    read = LockFile.from_path(path)
    assert yaml.safe_load(path.read_text())["version"] == 7
    assert [one.name for one in read.platforms()] == ["linux-64"]
    environment = read.default_environment()
    conda = {one.name.normalized: one for one in environment.conda_repodata_records()["linux-64"]}
    assert {name: (str(one.version), one.url, one.sha256.hex()) for name, one in conda.items()} == {
        one.project: (one.release, f"{HERE}/conda/{one.source}/{one.path}", one.sha256)
        for one in (PYTHON, ZLIB, NOARCH)
    }
    assert list(conda["python"].depends) == ["__glibc >=2.17", "zlib >=1,<2", "zlib !=1.5"]
    assert conda["tool"].subdir == "noarch"
    wheels = {one.name: one for one in environment.pypi_packages()["linux-64"]}
    assert {name: one.hashes.sha256.hex() for name, one in wheels.items()} == {
        "numpy": NUMPY.sha256,
        "six": SIX.sha256,
    }
    assert wheels["numpy"].requires_dist == ["six"]
    assert wheels["six"].location == f"{HERE}/pypi/files/{SIX.path}"


def test_py_rattler_reads_the_explicit_file_and_what_is_needed_comes_first():
    text = write_lock(MIXED, "explicit", DOOR)
    read = ExplicitEnvironmentSpec.from_str(text)
    assert str(read.platform) == "linux-64"
    expected = [f"{HERE}/conda/{one.source}/{one.path}#sha256:{one.sha256}" for one in (ZLIB, PYTHON, NOARCH)]
    assert [one.url for one in read.packages] == expected


def test_packages_that_need_each_other_are_in_the_explicit_file():
    both = package("a", depends=["b"]), package("b", depends=["a"])
    read = ExplicitEnvironmentSpec.from_str(write_lock(locked(*both, edges=()), "explicit", DOOR))
    assert len(read.packages) == 2


PARSE = """
import pathlib, sys
from conda_lock.lockfile import parse_conda_lock_file
print(parse_conda_lock_file(pathlib.Path(sys.argv[1])).model_dump_json())
"""


def test_conda_lock_reads_the_unified_lock(tmp_path):
    path = tmp_path / "conda-lock.yml"
    path.write_text(write_lock(MIXED, "conda-lock", DOOR))
    done = subprocess.run([sys.executable, "-c", PARSE, path], check=True, capture_output=True, text=True, timeout=120)
    read = json.loads(done.stdout)
    assert read["metadata"]["platforms"] == ["linux-64"]
    assert [row["url"] for row in read["metadata"]["channels"]] == [f"{HERE}/conda/forge", f"{HERE}/conda/house"]
    rows = {(one["manager"], one["name"]): one for one in read["package"]}
    assert {key: (one["version"], one["hash"]["sha256"]) for key, one in rows.items()} == {
        ("conda" if one.kind == "conda" else "pip", one.project): (one.release, one.sha256) for one in ALL
    }
    assert rows["conda", "python"]["dependencies"] == {"__glibc": ">=2.17", "zlib": ">=1,<2,!=1.5"}
    assert rows["pip", "numpy"]["dependencies"] == {"six": "*"}


def test_a_unified_lock_reads_back():
    rows = read_conda_lock(write_lock(MIXED, "conda-lock", DOOR), platform="linux-64", where="conda-lock.yml")
    assert {(row.manager, row.name, row.release, row.sha256) for row in rows} == {
        ("conda" if one.kind == "conda" else "pip", one.project, one.release, one.sha256) for one in ALL
    }
    assert read_conda_lock(write_lock(MIXED, "conda-lock", DOOR), platform="osx-64", where="x") == ()


def test_a_channel_that_states_no_md5_has_no_unified_lock():
    lock = locked(package("old", md5=False), edges=())
    with pytest.raises(RefusedError, match=r"no md5 of old-1\.0-h1_0\.conda") as caught:
        write_lock(lock, "conda-lock", DOOR)
    assert "pixi" in caught.value.todo
    assert "old-1.0" in write_lock(lock, "explicit", DOOR)


@pytest.mark.parametrize(
    ("lock", "name"), [(locked(PYTHON, edges=()), "pylock"), (locked(SIX, edges=()), "explicit")], ids=["conda", "pip"]
)
def test_a_file_that_would_hold_nothing_is_not_written(lock, name):
    with pytest.raises(ConflictError, match="can hold nothing") as caught:
        write_lock(lock, name, DOOR)
    assert "conda-lock" in caught.value.todo


def test_what_a_format_leaves_out_is_known():
    assert FORMATS["pylock"].left_out(MIXED) == MIXED.of("conda")
    assert FORMATS["explicit"].left_out(MIXED) == MIXED.of("pypi")
    assert FORMATS["pixi"].left_out(MIXED) == FORMATS["conda-lock"].left_out(MIXED) == ()


def test_the_digest_of_a_lock_covers_its_conda_packages_and_no_address():
    digest = lock_digest(MIXED)
    assert digest == lock_digest(locked(*reversed(ALL)))
    assert digest != lock_digest(locked(SIX, NUMPY, PYTHON, ZLIB))
    other = package("zlib", "1.3", ending=".tar.bz2", sha256=sha("other bytes"))
    assert digest != lock_digest(locked(SIX, NUMPY, PYTHON, other, NOARCH))


def test_the_digest_of_wheels_alone_is_that_of_their_requirements_file():
    from sekisho.model import sha256_hex

    lock = locked(SIX, NUMPY)
    assert lock_digest(lock) == sha256_hex(to_requirements(lock).encode())


@pytest.mark.parametrize("origin", ["packages.example", "ftp://x", "https://", "https://me:secret@x", "https://x?a=b"])
def test_an_origin_that_is_none_is_refused(origin):
    with pytest.raises(BadInputError, match="no address of a proxy"):
        write_lock(MIXED, "pixi", DoorAddress(origin, "team-a"))


ROW = {"name": "a", "version": "1", "manager": "pip", "platform": "linux-64", "url": "u", "hash": {"sha256": "0"}}
BOMB = (
    "version: 1\na0: &a0 [x, x]\n"
    + "".join(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12))
    + "package: *a11\n"
)
"""A kilobyte that would become 31 thousand million rows."""


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("a: [", "not valid YAML"),
        ("[]", "has a list `package`"),
        (yaml.safe_dump({"version": 2, "package": []}), "of version 2 is not known"),
        (yaml.safe_dump({"version": 1, "package": {}}), "has a list `package`"),
        (yaml.safe_dump({"version": 1, "package": ["a"]}), "has a list `package`"),
        (BOMB, "anchors and aliases are not allowed"),
        (yaml.safe_dump({"version": 1, "package": [ROW | {"manager": "npm"}]}), "neither conda nor pip"),
        (yaml.safe_dump({"version": 1, "package": [ROW | {"hash": {"md5": "0"}}]}), "no name, version, address or"),
        (yaml.safe_dump({"version": 1, "package": [ROW | {"url": "a\nb"}]}), "no name, version, address or"),
        (
            yaml.safe_dump({"version": 1, "package": [ROW, ROW | {"name": "A", "hash": {"sha256": "0"}}]}),
            "locked twice",
        ),
    ],
)
def test_what_is_no_unified_lock_is_refused(document, why):
    with pytest.raises(BadInputError, match=why):
        read_conda_lock(document, platform="linux-64", where="conda-lock.yml")
