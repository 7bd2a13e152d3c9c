"""Conda packages, good and hostile, read in one pass."""

import bz2
import io
import json
import tarfile
import tracemalloc
from collections import deque

import pytest
from backports import zstd
from conda_package_streaming.create import conda_builder

from sekisho.conda_archive import read_info, read_members
from sekisho.conda_archive.names import Places
from sekisho.errors import ConfusingError
from tests.conda_archives import BZ2, CONDA, STEM, conda, described, hard, link, member, package, tar

FILES = [
    member("bin/thing", b"#!/bin/sh\n", mode=0o755),
    member("lib/libthing.so.1", b"\x7fELF" + bytes(600)),
    link("lib/libthing.so", "libthing.so.1"),
    link("bin/up", "../lib/libthing.so"),
    hard("lib/again", "lib/libthing.so.1"),
    member("share/" + "long" * 60 + "/name", b"far away"),
]


def read(data, filename=CONDA):
    return {one.path: (one.kind, one.mode, b"".join(one.chunks)) for one in read_members(io.BytesIO(data), filename)}


def why(data, filename=CONDA):
    with pytest.raises(ConfusingError) as caught:
        read(data, filename)
    return str(caught.value)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_what_was_put_in_comes_out(ending, form):
    data = package(FILES, ending=ending, form=form)
    found = read(data, STEM + ending)
    for info, content in FILES:
        kind = "softlink" if info.issym() else "hardlink" if info.islnk() else "file"
        assert found[info.name] == (kind, info.mode, content)
    assert set(found) == {info.name for info, _ in FILES} | {"info/index.json", "info/paths.json"}
    info = read_info(io.BytesIO(data), STEM + ending)
    assert info.index["name"] == "thing"
    assert [entry.path for entry in info.paths] == [one.name for one, _ in FILES]
    assert info.states_paths


def test_a_package_by_the_builders_own_writer_is_read(tmp_path):
    with conda_builder(STEM, tmp_path) as archive:
        for one, data in [*FILES, *described(FILES)]:
            archive.addfile(one, io.BytesIO(data))
    assert read((tmp_path / CONDA).read_bytes()).keys() >= {"bin/thing", "info/index.json", "lib/again"}


@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_what_is_read_is_what_the_builders_own_reader_extracts(tmp_path, ending):
    from conda_package_streaming.extract import extract

    package_file = tmp_path / (STEM + ending)
    package_file.write_bytes(package(FILES, ending=ending))
    extract(package_file, tmp_path / "there")
    found = read(package_file.read_bytes(), package_file.name)
    there = {
        str(one.relative_to(tmp_path / "there")): one for one in (tmp_path / "there").rglob("*") if not one.is_dir()
    }
    assert found.keys() == there.keys()
    for path, (kind, mode, content) in found.items():
        assert there[path].is_symlink() == (kind == "softlink")
        if kind == "file":
            assert there[path].read_bytes() == content
            assert there[path].stat().st_mode & 0o777 == mode


def test_info_comes_first_and_alone_where_that_is_all_that_is_asked_for():
    data = package(FILES)
    paths = [one.path for one in read_members(io.BytesIO(data), CONDA)]
    assert paths[:2] == ["info/index.json", "info/paths.json"]
    assert [one.path for one in read_members(io.BytesIO(data), CONDA, info_only=True)] == paths[:2]
    old = package(FILES, ending=".tar.bz2")
    assert [one.path for one in read_members(io.BytesIO(old), BZ2, info_only=True)] == paths[:2]


def test_what_a_package_says_of_itself():
    link_json = {
        "noarch": {"type": "python", "entry_points": ["thing = thing.cli:main"]},
        "package_metadata_version": 1,
    }
    paths = [
        {
            "_path": "bin/thing",
            "path_type": "hardlink",
            "prefix_placeholder": "/opt/long",
            "file_mode": "binary",
            "no_link": True,
        }
    ]
    said = [
        member("info/link.json", json.dumps(link_json).encode()),
        member("info/about.json", b'{"license": "MIT"}'),
        member("info/run_exports.json", b'["thing >=1"]'),
        member("info/files", b"bin/thing\n"),
        member("info/licenses/LICENSE", b"do what you like"),
    ]
    info = read_info(io.BytesIO(package(FILES, index={"noarch": "python"}, paths=paths, info=said)), CONDA)
    assert info.noarch == "python"
    assert info.entry_points == (("thing", "thing.cli", "main"),)
    assert info.about == {"license": "MIT"}
    assert info.run_exports == {"weak": ["thing >=1"]}
    assert info.files == ("bin/thing",)
    assert info.licences == {"info/licenses/LICENSE": b"do what you like"}
    assert info.paths == (("bin/thing", "hardlink", "", -1, "/opt/long", "binary", True),)
    assert "info/files" in info.names


def test_a_package_from_before_paths_json_has_its_older_lists():
    kept = [
        described([])[0],
        member("info/files", b"bin/a\nbin/b\nlib/c\n"),
        member("info/has_prefix", b'bin/a\n"/opt/some where" binary bin/b\n'),
        member("info/no_link", b"lib/c\n"),
    ]
    info = read_info(io.BytesIO(bz2.compress(tar(kept))), BZ2)
    assert not info.states_paths
    assert [(one.path, one.prefix_placeholder, one.file_mode, one.no_link) for one in info.paths] == [
        ("bin/a", "/opt/anaconda1anaconda2anaconda3", "text", False),
        ("bin/b", "/opt/some where", "binary", False),
        ("lib/c", "", "", True),
    ]


HOSTILE = {
    "climbs": ([member("../evil")], "leaves its folder"),
    "climbs within": ([member("lib/../../evil")], "leaves its folder"),
    "absolute": ([member("/etc/passwd")], "no relative path"),
    "drive": ([member("C:/evil")], "no relative path"),
    "backslash": ([member("lib\\..\\evil")], "no relative path"),
    "line break": ([member("lib/a\nb")], "cannot be shown"),
    "empty part": ([member("lib//a")], "leaves its folder"),
    "too deep": ([member("a/" * 100 + "b")], "deeper"),
    "too long": ([member("/".join(["a" * 200] * 6))], "longer"),
    "long name": ([member("a" * 256)], "longer"),
    "link out": ([link("lib/x", "../../etc")], "out of the prefix"),
    "link to the root": ([link("lib/x", "/etc/passwd")], "out of the prefix"),
    "link that climbs late": ([link("lib/x", "a/../../../etc")], "out of the prefix"),
    "below a link": ([link("lib", "share"), member("lib/x")], "below a file or a link"),
    "a link over a folder": ([member("lib/x"), link("lib", "share")], "folder of others"),
    "below a file": ([member("lib"), member("lib/x")], "below a file or a link"),
    "hard link to nothing": ([hard("lib/x", "lib/y")], "hard link to nothing"),
    "hard link out": ([hard("lib/x", "../etc/passwd")], "hard link to nothing"),
    "hard link to a link": ([link("lib/y", "z"), hard("lib/x", "lib/y")], "hard link to nothing"),
    "hard link to itself": ([hard("lib/x", "lib/x")], "hard link to nothing"),
    "hard link to what follows": ([hard("lib/x", "lib/y"), member("lib/y")], "hard link to nothing"),
    "device": ([member("dev/null", kind=tarfile.CHRTYPE)], "special file"),
    "pipe": ([member("pipe", kind=tarfile.FIFOTYPE)], "special file"),
    "sparse": ([member("sparse", kind=tarfile.GNUTYPE_SPARSE)], "special file"),
    "twice": ([member("a"), member("./a")], "there twice"),
    "normal form": ([member("caf\u00e9"), member("cafe\u0301")], "there twice"),
    "info twice": ([member("info/index.json")], "info/"),
}


@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_is_refused(case, ending):
    members, reason = HOSTILE[case]
    data = (
        conda(tar(members), tar(described([]))) if ending == ".conda" else bz2.compress(tar([*described([]), *members]))
    )
    reason = "there twice" if case == "info twice" and ending == ".tar.bz2" else reason
    assert reason in why(data, STEM + ending)


def test_what_looks_odd_and_is_not():
    folder = member("lib/", kind=tarfile.DIRTYPE, mode=0o755)
    root = member("./", kind=tarfile.DIRTYPE)
    found = read(package([root, folder, member("./lib/x"), link("lib/deep/y", "../../share/./z/"), member("Lib/x")]))
    assert {"lib", "lib/x", "lib/deep/y", "Lib/x"} < found.keys()


def header(kind=b"0", name=b"x", size=0, **fields):
    """One header of a tar with fields as they are given: ``magic``, ``mtime``, ``prefix``, ``checksum``."""
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    block[0:100] = name.ljust(100, b"\0")
    block[124:136] = f"{size:011o}\0".encode()
    block[156:157] = kind
    block[136:148] = fields.get("mtime", b"00000000000\0")
    block[257:265] = fields.get("magic", b"ustar\x0000")
    block[345:500] = fields.get("prefix", b"").ljust(155, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = fields.get("checksum") or f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(*rows, kind=b"x"):
    """A header of pax with rows of its own."""
    data = b""
    for row in rows:
        length = len(row) + 3
        length += len(str(length)) - 1
        data += f"{length} ".encode() + row + b"\n"
    return header(kind, size=len(data)) + padded(data)


END = bytes(1024)
ODD_TARS = {
    "no end": (header(), "in the middle"),
    "an end, and more": (header() + END + header(name=b"hidden") + END, "behind the archive's end"),
    "half a header": (header()[:300], "in the middle"),
    "half a member": (header(size=2000) + bytes(512), "in the middle"),
    "not zero between": (header(size=1) + b"ab" + bytes(510) + END, "between two members"),
    "a wrong sum": (header(checksum=b"000000\0 ") + END, "checksum"),
    "an old format": (header(magic=bytes(8)) + END, "no known format"),
    "a prefix in GNU's header": (header(magic=b"ustar  \0", prefix=b"lib") + END, "more than a name"),
    "bytes behind the name": (header(name=b"a\0b") + END, "behind its end"),
    "no UTF-8": (header(name=b"\xff") + END, "UTF-8"),
    "a folder with bytes": (header(b"5", size=3) + padded(b"abc") + END, "no file and has bytes"),
    "a file with a slash": (header(name=b"a/") + END, "file and a folder"),
    "a link to nothing": (header(b"2") + END, "has a target"),
    "two sizes": (pax(b"size=5") + header(size=0) + padded(b"abcde") + END, "told twice"),
    "two paths": (pax(b"path=a", b"path=b") + header() + END, "twice"),
    "two headers with a path": (pax(b"path=a") + pax(b"path=b") + header() + END, "told twice"),
    "pax and GNU": (pax(b"path=a") + header(b"L", size=2) + padded(b"b\0") + header() + END, "told twice"),
    "for all members": (pax(b"path=a", kind=b"g") + header() + END, "all members at once"),
    "a sparse one": (pax(b"GNU.sparse.name=a") + header() + END, "says 'GNU.sparse.name'"),
    "another character set": (pax(b"hdrcharset=BINARY") + header() + END, "hdrcharset"),
    "a length of nothing": (header(b"x", size=5) + padded(b"0 a=\n") + END, "cannot be read"),
    "a length of too much": (header(b"x", size=6) + padded(b"99 a=\n") + END, "cannot be read"),
    "zero in a path": (pax(b"path=a\0b") + header() + END, "no text"),
    "a path of nothing": (pax(b"path=") + header() + END, "nothing valid"),
    "an extension of nothing, and empty": (header() + header(b"x") + END, "extends no member"),
    "an extension of nothing": (pax(b"path=a") + END, "extends no member"),
    "an extension of 2 MiB": (header(b"x", size=2 << 20) + END, "longer than"),
    "an extension of 8 GiB": (header(b"L", size=(8 << 30) - 1) + END, "longer than"),
    "no time": (header(mtime=b"no time here") + END, "number"),
    "no number": (header(size=0).replace(b"00000000000\0", b"zzzzzzzzzzz\0"), "checksum"),
}


@pytest.mark.parametrize("case", ODD_TARS)
def test_a_tar_that_readers_could_read_in_two_ways_is_refused(case):
    data, reason = ODD_TARS[case]
    assert reason in why(bz2.compress(data), BZ2)
    assert reason in why(conda(data, tar(described([]))))


def test_long_names_of_gnu_and_of_pax_are_read():
    gnu = header(b"L", size=2) + padded(b"b\0") + header() + END
    posix = (
        pax(b"path=caf\xc3\xa9", b"mtime=1.5", b"SCHILY.xattr.user.x=\xff\xfe".replace(b"\xff\xfe", b"y"))
        + header()
        + END
    )
    assert read(bz2.compress(gnu), BZ2).keys() == {"b"}
    assert read(bz2.compress(posix), BZ2).keys() == {"caf\u00e9"}
    assert read(bz2.compress(header(prefix=b"lib", name=b"y") + END), BZ2).keys() == {"lib/y"}


def odd_zip(**said):
    return conda(tar(FILES), tar(described(FILES)), **said)


def with_a_giant_window(data):
    """A frame that asks its reader for a gigabyte."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 30})
    return packer.compress(data) + packer.flush()


ODD_PACKAGES = {
    "a third tar": (odd_zip(extra=[(f"more-{STEM}.tar.zst", b"")]), "alone"),
    "of another name": (odd_zip(stem="other-1.0-0"), "alone"),
    "compressed parts": (odd_zip(method=8), "compressed"),
    "two frames": (odd_zip(packer=lambda data: zstd.compress(data) + zstd.compress(b"more")), "behind the end"),
    "a frame that is skipped": (
        odd_zip(packer=lambda data: b"\x50\x2a\x4d\x18\x04\0\0\0hide" + zstd.compress(data)),
        "behind the end",
    ),
    "half a frame": (odd_zip(packer=lambda data: zstd.compress(data)[:-3]), "no end"),
    "no frame": (odd_zip(packer=lambda data: data), "cannot be unpacked"),
    "before the zip": (b"#!/bin/sh\n" + odd_zip(), "between the directory|bytes before"),
    "behind the zip": (odd_zip() + b"more", "no end record"),
    "a giant window": (odd_zip(packer=with_a_giant_window), "cannot be unpacked"),
}


@pytest.mark.parametrize("case", ODD_PACKAGES)
def test_a_package_with_hidden_parts_is_refused(case):
    data, reason = ODD_PACKAGES[case]
    found = why(data)
    assert any(one in found for one in reason.split("|")), found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bz2.compress(tar(FILES)) + bz2.compress(b"more"), "behind the end"),
        (bz2.compress(tar(FILES)) + b"more", "behind the end"),
        (bz2.compress(tar(FILES))[:-4], "no end"),
        (b"", "no end"),
        (tar(FILES), "cannot be unpacked"),
    ],
)
def test_a_tar_bz2_with_hidden_parts_is_refused(data, reason):
    assert reason in why(data, BZ2)


def test_a_name_that_no_package_has_is_refused():
    assert "no name of a conda package" in why(package(FILES), "thing.conda")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"[" * 100_000, b'{"name": NaN}', b'{"name": "a", "name": "b"}', b"\xff"]
)
def test_an_index_that_says_nothing_valid_is_refused(text):
    with pytest.raises(ConfusingError):
        read_info(io.BytesIO(conda(tar([]), tar([member("info/index.json", text)]))), CONDA)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("link.json", {"noarch": {"type": "generic"}}),
        ("link.json", {"noarch": {"type": "python", "entry_points": "a"}}),
        ("link.json", {"noarch": {"type": "python", "entry_points": ["a = ../../b:c"]}}),
        ("link.json", {"noarch": {"type": "python", "entry_points": [".. = b:c"]}}),
        ("link.json", {"noarch": ["python"]}),
        ("about.json", []),
        ("run_exports.json", "a"),
    ],
)
def test_other_words_that_say_nothing_valid_are_refused(name, text):
    said = [member(f"info/{name}", json.dumps(text).encode())]
    data = package([], index={"noarch": "python"}, info=said)
    with pytest.raises(ConfusingError):
        read_info(io.BytesIO(data), CONDA)


@pytest.mark.parametrize(
    "paths",
    [
        "a",
        [{}],
        [{"_path": "a"}, {"_path": "a"}],
        [{"_path": "a", "path_type": "device"}],
        [{"_path": "a", "sha256": "z"}],
        [{"_path": "a", "size_in_bytes": "1"}],
        [{"_path": "a", "prefix_placeholder": "/"}],
        [{"_path": "a", "prefix_placeholder": "/opt/a\nb"}],
        [{"_path": "a", "prefix_placeholder": "/opt/a", "file_mode": "odd"}],
    ],
)
def test_paths_that_say_nothing_valid_are_refused(paths):
    with pytest.raises(ConfusingError):
        read_info(io.BytesIO(package([], paths=paths)), CONDA)


def test_members_are_bounded_over_both_tars():
    places = Places(most=2)
    data = bz2.compress(tar([member("a"), member("b"), member("c")]))
    members = list(read_members(io.BytesIO(data), BZ2))
    assert [places.settle(one).path for one in members[:2]] == ["a", "b"]
    with pytest.raises(ConfusingError, match="more than 2 members"):
        places.settle(members[2])


@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_a_bomb_is_refused_in_little_memory(ending):
    """70 MB of zeros are a few kB; the reader stops at 64 MiB, and holds no more than a few steps of it."""
    bomb = header(size=70 << 20, name=b"zeros") + bytes(70 << 20) + END
    data = conda(bomb, tar(described([]))) if ending == ".conda" else bz2.compress(bomb)
    del bomb
    tracemalloc.start()
    try:
        members = read_members(io.BytesIO(data), STEM + ending)
        with pytest.raises(ConfusingError, match="unpacks to more"):
            deque((chunk for one in members for chunk in one.chunks), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
