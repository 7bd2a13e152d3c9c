"""Source distributions of unknown intent: what is found out, and what no reader should take in."""

import gzip
import tarfile

import pytest

from sekisho_proxy.inspect import sdist
from sekisho_proxy.inspect.wheel import Job, inspect_file
from tests.source_files import PYPROJECT, make_source, pack_source, source_members
from tests.wheels import metadata_text


@pytest.fixture
def inspect(tmp_path):
    """Inspect bytes as a source's; give the facts."""

    def look(data, *, filename="raw-1.0.tar.gz"):
        path = tmp_path / "blob"
        path.write_bytes(data)
        return inspect_file(Job(path=str(path), filename=filename, sha256="0" * 64))

    return look


def said(facts):
    return [(finding.code, finding.detail) for finding in facts.findings]


def member(name, **more):
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


def test_a_sound_source(inspect):
    files = {"raw/fast.c": b"int x;", "raw/tool.so": b"\x7fELF"}
    source = make_source("raw", requires=("beta>=1", 'gamma; extra == "more"'), files=files)
    facts = inspect(source.data)
    assert said(facts) == []
    assert (facts.build.requires, facts.build.backend, facts.build.legacy) == (
        ("tiny-backend>=1",),
        "tiny_backend",
        False,
    )
    assert facts.requires == ("beta>=1", 'gamma; extra == "more"')
    assert facts.license_expression == "MIT"
    assert facts.native == ("raw/tool.so",)
    assert facts.files == 5


def test_a_setup_py_without_a_build_system_is_legacy(inspect):
    members = source_members("raw", files={"setup.py": b"raise SystemExit('never run here')"})
    del members["raw-1.0/pyproject.toml"]
    build = inspect(pack_source(members)).build
    assert (build.legacy, build.backend) == (True, sdist.LEGACY)
    assert build.requires == ("setuptools>=70.1",)
    members["raw-1.0/pyproject.toml"] = b"[tool.black]\n"
    assert inspect(pack_source(members)).build.legacy
    members["raw-1.0/pyproject.toml"] = b'[build-system]\nrequires = ["setuptools", "numpy"]\n'
    build = inspect(pack_source(members)).build
    assert (build.legacy, build.requires) == (True, ("setuptools", "numpy"))


def test_old_setuptools_kept_requirements_beside_pkg_info(inspect):
    text = b"py4j==0.10.9.7\n\n[:python_version < '3.8']\nold\n\n[sql]\npandas>=1.0\n\n[ml:os_name == 'nt']\nwin\n\n[odd]\n???\n"
    facts = inspect(make_source("raw", files={"raw.egg-info/requires.txt": text}).data)
    assert facts.requires == (
        "py4j==0.10.9.7",
        "old; (python_version < '3.8')",
        'pandas>=1.0; extra == "sql"',
        "win; (os_name == 'nt') and extra == \"ml\"",
    )


@pytest.mark.parametrize(
    ("info", "words"),
    {
        "another name": (metadata_text("other", "1.0"), "PKG-INFO names 'other', the file 'raw'"),
        "another version": (metadata_text("raw", "2.0"), "PKG-INFO states version '2.0', the file 1.0"),
        "no version": (b"Name: raw\n", "PKG-INFO states version None, the file 1.0"),
        "nothing": (b"", "there is no PKG-INFO"),
    }.values(),
)
def test_pkg_info_is_held_against_the_name(inspect, info, words):
    assert (("metadata_mismatch", words)) in said(inspect(make_source("raw", files={"PKG-INFO": info}).data))


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "no TOML": (b"[", "says nothing valid of the build"),
        "no requires": (b'[build-system]\nbuild-backend = "x"\n', "says nothing valid of the build"),
        "an address": (b'[build-system]\nrequires = ["x @ https://h.invalid/x.whl"]\n', "asks for an address"),
        "an odd backend": (b'[build-system]\nrequires = []\nbuild-backend = "a;b"\n', "a backend that cannot be"),
        "a path outside": (
            b'[build-system]\nrequires = []\nbuild-backend = "a"\nbackend-path = ["../x"]\n',
            "a backend that cannot be",
        ),
        "no requirement": (b'[build-system]\nrequires = ["two words"]\n', "says nothing valid of the build"),
    }.values(),
)
def test_a_build_system_that_cannot_be_followed(inspect, text, words):
    facts = inspect(make_source("raw", files={"pyproject.toml": text}).data)
    assert facts.build is None
    [(code, detail)] = said(facts)
    assert code == "metadata_mismatch"
    assert words in detail


def test_source_that_nothing_says_how_to_build(inspect):
    members = source_members("raw")
    del members["raw-1.0/pyproject.toml"]
    assert said(inspect(pack_source(members))) == [("metadata_mismatch", "there is nothing that says how it is built")]


SOUND = source_members("raw")


@pytest.mark.parametrize(
    ("members", "words"),
    {
        "traversal": ({"raw-1.0/../x": b""}, "leaves its folder"),
        "dot": ({"raw-1.0/./x": b""}, "leaves its folder"),
        "absolute": ({"/etc/x": b""}, "is no relative path"),
        "backslash": ({"raw-1.0/a\\b": b""}, "is no relative path"),
        "symbolic link": ({"l": member("raw-1.0/l", type=tarfile.SYMTYPE, linkname="PKG-INFO")}, "is a link"),
        "hard link": ({"l": member("raw-1.0/l", type=tarfile.LNKTYPE, linkname="raw-1.0/PKG-INFO")}, "is a link"),
        "device": ({"d": member("raw-1.0/d", type=tarfile.CHRTYPE)}, "is a special file"),
        "pipe": ({"p": member("raw-1.0/p", type=tarfile.FIFOTYPE)}, "is a special file"),
        "two on top": ({"other-1.0/x": b""}, "2 folders on top"),
        "beside the folder": ({"x": b""}, "lies beside the one folder"),
        "twice": ({"t": member("raw-1.0/PKG-INFO")}, "is there twice"),
        "file and folder": ({"raw-1.0/PKG-INFO/x": b""}, "is a file and a folder"),
        "folder of a file": ({"f": member("raw-1.0/PKG-INFO", type=tarfile.DIRTYPE)}, "is a file and a folder"),
    }.values(),
)
def test_an_archive_that_no_unpacker_should_follow(inspect, members, words):
    [(code, detail)] = said(inspect(pack_source({**SOUND, **members})))
    assert code == "archive_confusion"
    assert words in detail


def test_what_is_no_archive_or_has_more_behind_it(inspect):
    assert "it cannot be read" in said(inspect(b"anything"))[0][1]
    whole = gzip.decompress(pack_source(SOUND))
    assert "bytes behind the archive's end" in said(inspect(gzip.compress(whole + b"x" * 10240)))[0][1]
    assert whole.endswith(bytes(1024))
    assert "bytes behind the archive's end" in said(inspect(gzip.compress(whole[:-10] + b"x" * 10)))[0][1]
    hidden = bytearray(tarfile.TarInfo("a-1.0/setup.py").tobuf(tarfile.USTAR_FORMAT))
    hidden[136] = ord("z")  # a time that nobody can read, and Python takes for the end
    hidden[148:156] = f"{sum(hidden) - sum(hidden[148:156]) + 256:06o}\0 ".encode()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    spoilt = whole[:end] + bytes(hidden) + bytes(1024)
    assert "a header cannot be read" in said(inspect(gzip.compress(spoilt)))[0][1]
    assert "it cannot be read" in said(inspect(pack_source(SOUND)[:-10]))[0][1]
    assert said(inspect(gzip.compress(whole + b"\0" * 10240))) == []


def test_a_bomb_is_not_unpacked(inspect, monkeypatch):
    monkeypatch.setattr(sdist, "_RATIO_FROM", 1 << 20)
    data = pack_source({**SOUND, "raw-1.0/bomb": b"\0" * (16 << 20)})
    assert len(data) * 200 < 16 << 20
    assert "it unpacks to more than" in said(inspect(data))[0][1]
    monkeypatch.setattr(sdist, "_MOST_MEMBERS", 2)
    assert "more than 2 members" in said(inspect(pack_source(SOUND)))[0][1]


def test_the_folder_on_top_is_the_release(inspect):
    members = {name.replace("raw-1.0/", "raw-2.0/"): data for name, data in SOUND.items()}
    assert said(inspect(pack_source(members))) == [("metadata_mismatch", "the folder on top is 'raw-2.0'")]
    assert PYPROJECT in SOUND.values()
