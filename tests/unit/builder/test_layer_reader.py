"""Layers that somebody made to be read in two ways, or to cost too much, are refused; sound ones are read whole."""

import gzip
import hashlib
import io
import tarfile

import pytest

from sekisho.errors import BadInputError, CorruptError
from sekisho_builder.gates.contents import Contents, read_contents
from sekisho_builder.oci.layout import write_layout
from sekisho_builder.reading.layer import Limits, read_layer
from sekisho_builder.reading.texts import wanted
from tests.unit.builder.gating import entry, layer_of, tar_of

LONG = "a" * 90 + "/" + "b" * 90 + "/" + "ü" * 120


def read(folder, data, limits=None):
    path = folder / "layer"
    path.write_bytes(data)
    return read_layer(path, hashlib.sha256(data).hexdigest(), limits or Limits(1 << 24), wanted)


def block(name="x", size=0, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.USTAR_FORMAT)


def pax(*records, kind=tarfile.XHDTYPE):
    data = b"".join(records)
    return block("pax", len(data), kind) + data + bytes(-len(data) % 512)


def record(key, value, length=None):
    """Return one record of an extended header; its length counts itself."""
    body = f" {key}={value}\n".encode()
    size = len(body) + 1
    while size != len(str(size)) + len(body):
        size = len(str(size)) + len(body)
    return str(length or size).encode() + body


END = bytes(1024)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_ordinary_tools_write_is_read(tmp_path, form):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=form) as archive:
        for info, content in (entry("./etc/x", b"12345"), entry(LONG, b"long", mode=0o4755, uid=7, gid=8),
                              entry("l", kind=tarfile.SYMTYPE, linkname="../" + LONG), entry("h", kind=tarfile.LNKTYPE, linkname="./etc/x")):  # fmt: skip
            archive.addfile(info, io.BytesIO(content))
    for data in (
        gzip.compress(tar.getvalue()),
        tar.getvalue(),
        b"".join(gzip.compress(tar.getvalue()[n : n + 700]) for n in range(0, len(tar.getvalue()), 700)),
    ):
        layer = read(tmp_path, data)
        assert [(one.path, one.kind, one.target) for one in layer.entries] == [
            ("etc/x", "file", ""), (LONG, "file", ""), ("l", "link", "../" + LONG), ("h", "hard link", "etc/x"),
        ]  # fmt: skip
        assert layer.entries[0].sha256 == hashlib.sha256(b"12345").hexdigest()
        assert layer.entries[1][2:6] == (0o4755, 7, 8, 4)
        assert layer.unpacked == len(tar.getvalue())


@pytest.mark.parametrize(
    ("tar", "says"),
    [
        (block("../etc/x") + END, "an entry is named '../etc/x'"),
        (block("a/../../x") + END, "an entry is named"),
        (pax(record("path", "../../x")) + block() + END, "an entry is named"),
        (pax(record("path", "a\0b")) + block() + END, "an entry is named"),
        (block("x", 3)[:400], "the archive is cut short"),
        (block("x", 3), "the archive is cut short"),
        (block("x", 3) + b"abc".ljust(512, b"\0"), "the archive is cut short"),
        (block() + END + block("hidden") + END, "something follows the end of the archive"),
        (block() + bytes(512) + block("hidden") + END, "something follows the end of the archive"),
        (b"\1" * 512 + END, "a header cannot be read"),
        (block()[:148] + b"0000000\0" + block()[156:] + END, "a header cannot be read"),
        (block(kind=b"S") + END, "an entry is of the type b'S'"),
        (block(kind=b"Z") + END, "an entry is of the type b'Z'"),
        (pax(record("GNU.sparse.major", "1")) + block() + END, "GNU.sparse.major, which readers take differently"),
        (pax(record("path", "a"), record("path", "b")) + block() + END, "path, which readers take differently"),
        (pax(record("path", "a", 99)) + block() + END, "an extended header cannot be read"),
        (pax(b"path=a\n") + block() + END, "an extended header cannot be read"),
        (pax(record("size", "-5")) + block() + END, "a number that is none"),
        (pax(record("path", "a"), kind=tarfile.XGLTYPE) + block() + END, "a global header names files"),
        (block("pax", 1 << 30, tarfile.XHDTYPE) + END, "an extended header has 1073741824 bytes"),
        (block("long", 1 << 30, tarfile.GNUTYPE_LONGNAME) + END, "an extended header has 1073741824 bytes"),
        (pax(record("path", "a/")) + block("x", 3) + b"abc".ljust(512, b"\0") + END, "a file is named as a folder"),
        (block("d", 5, tarfile.DIRTYPE) + b"abcde".ljust(512, b"\0") + END, "a folder has content"),
        (block("x", 1 << 30) + END, "the archive is cut short"),
    ],
)  # fmt: skip
def test_tricks_are_refused(tmp_path, tar, says):
    for data in (tar, gzip.compress(tar)):
        with pytest.raises(CorruptError, match=says.replace("(", r"\(")):
            read(tmp_path, data)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-9],
        lambda data: data[:60],
        lambda data: data + b"more",
        lambda data: data + gzip.compress(b"x"),
        lambda data: data[:-8] + bytes(8),
        lambda data: data[:2] + bytes(50),
    ],
)
def test_a_gzip_that_is_none_is_refused(tmp_path, spoil):
    with pytest.raises(CorruptError):
        read(tmp_path, spoil(gzip.compress(tar_of([entry("x", b"content")]), mtime=0)))


def test_other_bytes_than_the_manifest_names_are_refused(tmp_path):
    path = tmp_path / "layer"
    path.write_bytes(gzip.compress(tar_of([entry("x")])))
    with pytest.raises(CorruptError, match="not the bytes that the manifest names"):
        read_layer(path, "0" * 64, Limits(1 << 20), wanted)


def test_what_costs_too_much_is_refused_and_says_what_to_raise(tmp_path):
    bomb = gzip.compress(tar_of([entry("zeros", bytes(8 << 20))]))
    assert len(bomb) < 20_000
    with pytest.raises(CorruptError, match="unpacks to more than 1048576 bytes") as caught:
        read(tmp_path, bomb, Limits(1 << 20))
    assert "budget.unpacked" in caught.value.todo
    many = tar_of([entry(f"f{number}") for number in range(20)])
    with pytest.raises(CorruptError, match="more than 10 entries"):
        read(tmp_path, many, Limits(1 << 24, entries=10))
    scripts = tar_of([entry(f"bin/{number}", b"#!" + bytes(600), mode=0o755) for number in range(20)])
    with pytest.raises(CorruptError, match="more than 5000 bytes of scripts"):
        read(tmp_path, scripts, Limits(1 << 24, texts=5000))
    assert not read(tmp_path, scripts, Limits(1 << 24, text=100)).texts


def contents(tmp_path, *layers):
    return Contents(tuple(read(tmp_path, tar_of(one)) for one in layers))


def test_layers_lie_on_each_other_as_engines_lay_them(tmp_path):
    found = contents(
        tmp_path,
        [entry("a/x"), entry("a/y"), entry("b/z"), entry("c"), entry("d/e/f")],
        [entry("a/.wh.x"), entry("b/.wh..wh..opq"), entry("b/new"), entry("d", b"file now")],
    )
    assert sorted(found.seen) == ["a/y", "b/new", "c", "d"]
    assert len(list(found.entries())) == 9


@pytest.mark.parametrize(
    ("asked", "found"),
    [("/bin/sh", "usr/bin/dash"), ("usr/bin/up", "etc/x"), ("h", "etc/x"), ("/nowhere/at/all", "nowhere/at/all"),
     ("../../../etc/x", "etc/x"), ("out", "etc/x")],
)  # fmt: skip
def test_links_are_followed_and_never_out_of_the_image(tmp_path, asked, found):
    image = contents(
        tmp_path,
        [
            entry("bin", kind=tarfile.SYMTYPE, linkname="usr/bin"),
            entry("usr/bin/sh", kind=tarfile.SYMTYPE, linkname="dash"),
            entry("usr/bin/dash", b"x"),
            entry("usr/bin/up", kind=tarfile.SYMTYPE, linkname="../../etc/x"),
            entry("etc/x", b"x"),
            entry("h", kind=tarfile.LNKTYPE, linkname="etc/x"),
            entry("out", kind=tarfile.SYMTYPE, linkname="../../../../etc/x"),
        ],
    )
    assert image.real(asked) == found


def test_layers_of_another_packing_are_named(tmp_path):
    layer = layer_of(tmp_path, tar_of([entry("x")]))
    zstd = layer._replace(
        descriptor=layer.descriptor._replace(media_type="application/vnd.oci.image.layer.v1.tar+zstd")
    )
    config = {"created": "2020-01-01T00:00:00Z", "architecture": "amd64", "os": "linux"}
    layout = write_layout(tmp_path / "zstd", [zstd], config, {})
    with pytest.raises(BadInputError, match=r"tar\+zstd, which the gates cannot read"):
        read_contents(layout, 1 << 20)


def test_all_layers_together_have_a_limit_and_large_ones_are_read_by_processes(tmp_path):
    import os

    layers = [layer_of(tmp_path, tar_of([entry(f"f{number}", os.urandom(3_000_000))])) for number in range(2)]
    config = {"created": "2020-01-01T00:00:00Z", "architecture": "amd64", "os": "linux"}
    layout = write_layout(tmp_path / "large", layers, config, {})
    with pytest.raises(BadInputError, match="more than 5000000"):
        read_contents(layout, 5_000_000)
    assert sorted(read_contents(layout, 8_000_000).seen) == ["f0", "f1"]
