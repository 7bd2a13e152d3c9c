import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sekisho.errors import BadInputError, CorruptError
from sekisho_builder.assemble.layer import Package, build_layers
from sekisho_builder.assemble.layer_file import MTIME
from sekisho_builder.assemble.layer_series import LayerForm
from sekisho_builder.assemble.wheel import Environment
from tests.unit.builder.room import SITE, House
from tests.wheels import make_wheel, pack, unpadded, wheel_files

POINTS = "[console_scripts]\nzeta = alpha.cli:app.run [extra]\nBeta = alpha:main\n[gui_scripts]\ngamma=alpha:main\n"


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def with_members(wheel, files, **options):
    """Give a wheel other members."""
    return replace(wheel, data=pack(files, **options))


def test_layers_are_gzip_members_around_one_tar(house):
    source = b"print('hello')\n" * 500
    made = house.assemble(make_wheel("alpha", files={"alpha/__init__.py": source, "alpha/empty.py": b""}))
    layout = house.layout()
    top = layout.blob(layout.layers[-1].sha256).read_bytes()
    tar = gzip.decompress(top)
    assert hashlib.sha256(top).hexdigest() == made.layers[-1].sha256
    assert layout.config["rootfs"]["diff_ids"][-1] == f"sha256:{hashlib.sha256(tar).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert archive.extractfile(f"{SITE}/alpha/__init__.py").read() == source
    assert tar.endswith(bytes(1024))
    assert len(tar) % 512 == 0
    layout.verify()


def test_the_wheels_own_deflate_stream_is_in_the_layer(house):
    source = os.urandom(300_000).hex().encode()
    wheel = make_wheel("alpha", files={"alpha/__init__.py": source})
    house.assemble(wheel)
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        info = archive.getinfo("alpha/__init__.py")
    at = info.header_offset + 30 + len(info.filename)
    layout = house.layout()
    assert wheel.data[at : at + info.compress_size] in layout.blob(layout.layers[-1].sha256).read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_are_not_deflated(house, method):
    wheel = make_wheel("alpha", files={"alpha/__init__.py": b"x = 1\n" * 90_000})
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    house.assemble(with_members(wheel, files, method=method))
    assert house.files()[f"{SITE}/alpha/__init__.py"][1] == b"x = 1\n" * 90_000


def test_a_member_with_a_data_descriptor_and_zip64_sizes(house):
    wheel = make_wheel("alpha")
    out = io.BytesIO()

    class Unseekable(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return out.write(data)

    with (
        zipfile.ZipFile(io.BytesIO(wheel.data)) as old,
        zipfile.ZipFile(Unseekable(), "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            with new.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(old.read(name))
    house.assemble(replace(wheel, data=out.getvalue()))
    assert house.files()[f"{SITE}/alpha/__init__.py"][1] == b"__version__ = '1.0'\n"


def test_modes_owners_and_times(house):
    wheel = make_wheel(
        "alpha", entry_points=POINTS, files={"alpha/__init__.py": b"", "alpha/é" + "x" * 120 + ".txt": b"1"}
    )
    house.assemble(wheel)
    entries = house.files()
    del entries["etc/base"]
    assert {info.mtime for info, _ in entries.values()} == {MTIME}
    assert {(info.uid, info.gid) for name, (info, _) in entries.items() if name != "home/job"} == {(0, 0)}
    assert (entries["home/job"][0].uid, entries["home/job"][0].gid) == (1000, 1000)
    assert {info.mode for info, _ in entries.values() if info.isdir()} == {0o755}
    assert {oct(info.mode) for info, _ in entries.values() if info.isfile()} == {"0o644", "0o755"}
    assert f"{SITE}/alpha/é{'x' * 120}.txt" in entries


def test_every_layer_names_the_folders_above_its_files_first(house):
    house.assemble(make_wheel("alpha"), make_wheel("beta"))
    layout = house.layout()
    for row in layout.layers[1:]:
        with tarfile.open(layout.blob(row.sha256)) as archive:
            names = archive.getnames()
        assert all(name.rpartition("/")[0] in {"", *names[: names.index(name)]} for name in names)
        assert len(names) == len(set(names))


def test_installation(house):
    data = {
        "alpha/__init__.py": b"",
        "alpha-1.0.data/scripts/tool": b"#!python -E\nprint(1)\n",
        "alpha-1.0.data/scripts/shell": b"#!/bin/sh\nexit 0\n",
        "alpha-1.0.data/purelib/pure.py": b"p",
        "alpha-1.0.data/platlib/plat.py": b"q",
        "alpha-1.0.data/data/share/doc.txt": b"d",
        "alpha-1.0.data/headers/alpha.h": b"h",
        "alpha-1.0.dist-info/INSTALLER": b"other\n",
        "alpha-1.0.dist-info/direct_url.json": b"{}",
    }
    house.assemble(make_wheel("alpha", files=data, entry_points=POINTS), make_wheel("beta"))
    files = house.files()
    info = f"{SITE}/alpha-1.0.dist-info"
    assert files["opt/venv/bin/tool"][1] == b"#!/opt/venv/bin/python -E\nprint(1)\n"
    assert files["opt/venv/bin/shell"][1].startswith(b"#!/bin/sh")
    assert files[f"{SITE}/pure.py"][1] + files[f"{SITE}/plat.py"][1] == b"pq"
    assert files["opt/venv/share/doc.txt"][1] == b"d"
    assert files["opt/venv/include/site/python3.11/alpha/alpha.h"][1] == b"h"
    assert b"from alpha.cli import app\n" in files["opt/venv/bin/zeta"][1]
    assert b"sys.exit(app.run())" in files["opt/venv/bin/zeta"][1]
    assert {"opt/venv/bin/Beta", "opt/venv/bin/gamma"} <= files.keys()
    assert files["opt/venv/bin/Beta"][0].mode == 0o755
    assert files[f"{info}/INSTALLER"][1] == b"sekisho\n"
    assert f"{info}/REQUESTED" in files
    assert f"{SITE}/beta-1.0.dist-info/REQUESTED" not in files
    assert f"{info}/direct_url.json" not in files


def test_record_lists_every_file_with_its_hash(house):
    house.assemble(
        make_wheel("alpha", entry_points=POINTS, files={"a b.txt": b"1", "alpha-1.0.data/scripts/t": b"#!python"})
    )
    files = house.files()
    lines = files[f"{SITE}/alpha-1.0.dist-info/RECORD"][1].decode().splitlines()
    assert lines == sorted(lines)
    assert "alpha-1.0.dist-info/RECORD,," in lines
    assert f"a b.txt,sha256={unpadded(b'1')},1" in lines
    changed = files["opt/venv/bin/t"][1]
    assert f"../../../bin/t,sha256={unpadded(changed)},{len(changed)}" in lines
    ours = [n for n, (i, _) in files.items() if i.isfile() and n not in {"etc/base", "opt/venv/pyvenv.cfg"}]
    assert len(lines) == len(ours)


def test_the_virtual_environment(house):
    house.assemble(make_wheel("alpha"))
    files = house.files()
    assert files["opt/venv/bin/python"][0].linkname == "/usr/bin/python3"
    assert files["opt/venv/bin/python3.11"][0].linkname == "python"
    assert files["opt/venv/lib64"][0].linkname == "lib"
    assert b"version = 3.11.2\n" in files["opt/venv/pyvenv.cfg"][1]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "/evil123.py",
        "x/../../ev.py",
        "a\\b.py",
        ".wh.alpha",
        "a/.wh..wh..opq",
        "a//b.py",
        "./a.py",
        "a\nb",
        "a" * 256,
    ],
)
def test_names_that_are_refused(house, name):
    with pytest.raises(BadInputError, match="path") as caught:
        house.assemble(make_wheel("alpha", files={name: b"1"}))
    assert caught.value.where.startswith("alpha-1.0-py3-none-any.whl: ")


def test_a_symbolic_link_is_refused(house):
    wheel = make_wheel("alpha")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            new.writestr(info, old.read(info))
        link = zipfile.ZipInfo("alpha/link")
        link.external_attr = 0o120777 << 16
        new.writestr(link, "/etc/passwd")
    with pytest.raises(BadInputError, match="link"):
        house.assemble(replace(wheel, data=out.getvalue()))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(house):
    wheel = make_wheel("alpha")
    out = io.BytesIO(wheel.data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("alpha/__init__.py", "other")
    with pytest.raises(BadInputError, match="two members"):
        house.assemble(replace(wheel, data=out.getvalue()))


def test_two_names_for_one_member_are_refused(house):
    wheel = make_wheel("alpha")
    data = wheel.data.replace(b"alpha/__init__.py", b"alpha/__evil__.py", 1)
    with pytest.raises(BadInputError, match="two names"):
        house.assemble(replace(wheel, data=data))


def test_something_before_the_archive_is_refused(house):
    wheel = make_wheel("alpha")
    with pytest.raises(BadInputError, match="precedes"):
        house.assemble(replace(wheel, data=b"#!/bin/sh\n" + wheel.data))


def flip(wheel, what):
    """Change the central directory's word for the first member: 16 is the CRC, 24 the size."""
    data = bytearray(wheel.data)
    at = data.index(b"PK\x01\x02") + what
    data[at] ^= 1
    return replace(wheel, data=bytes(data))


@pytest.mark.parametrize("what", [16, 24])
def test_a_member_that_belies_its_crc_or_size(house, what):
    with pytest.raises(CorruptError) as caught:
        house.assemble(flip(make_wheel("alpha"), what))
    assert "alpha/__init__.py" in caught.value.where + caught.value.what


def test_deflate_that_goes_on_after_its_end(house):
    source = b"x = 1\n" * 100
    packer = zlib.compressobj(wbits=-15)
    stream = packer.compress(source) + packer.flush() + b"more"
    wheel = make_wheel("alpha", files={"alpha.py": source})
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    data = bytearray(pack({"alpha.py": stream, **{n: d for n, d in files.items() if n != "alpha.py"}}, method=0))
    directory = data.index(b"PK\x01\x02")
    for at, crc in ((0, 14), (directory, 16)):
        data[at + crc - 6 : at + crc - 4] = b"\x08\0"
        data[at + crc : at + crc + 4] = zlib.crc32(source).to_bytes(4, "little")
        data[at + crc + 8 : at + crc + 12] = len(source).to_bytes(4, "little")
    with pytest.raises(CorruptError, match="follow the end"):
        house.assemble(replace(wheel, data=bytes(data)))


def test_a_wheel_that_is_cut_short(house):
    wheel = make_wheel("alpha")
    with pytest.raises(CorruptError, match="zip"):
        house.assemble(replace(wheel, data=wheel.data[:-30]))


def test_bytes_that_are_not_the_locked_ones(house):
    wheel = make_wheel("alpha")
    lying = type("Lying", (), {"sha256": wheel.sha256, "data": b"other", "artifact": wheel.artifact})
    with pytest.raises(CorruptError, match="locked"):
        house.assemble(lying)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b"alpha/__init__.py,sha256=AAAA,20\n", "leaves out"),
        (None, "not the hash"),
        (b"a,b\n", "three fields"),
    ],
)
def test_a_record_that_lies(house, record, says):
    if record is None:
        good = make_wheel("alpha")
        with zipfile.ZipFile(io.BytesIO(good.data)) as archive:
            record = archive.read("alpha-1.0.dist-info/RECORD").replace(b"sha256=", b"sha256=x", 1)
    with pytest.raises((BadInputError, CorruptError), match=says):
        house.assemble(make_wheel("alpha", record=record))


def test_a_record_line_for_nothing(house):
    good = make_wheel("alpha")
    with zipfile.ZipFile(io.BytesIO(good.data)) as archive:
        record = archive.read("alpha-1.0.dist-info/RECORD") + b"ghost.py,sha256=AAAA,1\n"
    with pytest.raises(CorruptError, match="ghost"):
        house.assemble(make_wheel("alpha", record=record))


@pytest.mark.parametrize("points", ["[console_scripts]\nx = nothing\n", "[console_scripts]\n../x = a:b\n", "[broken"])
def test_entry_points_that_cannot_be(house, points):
    with pytest.raises(BadInputError, match="entry"):
        house.assemble(make_wheel("alpha", entry_points=points))


def test_another_package_in_the_wheel(house):
    wheel = make_wheel("beta")
    with pytest.raises(BadInputError, match=r"the wheel is beta 1\.0, not alpha 1\.0"):
        house.assemble(replace(wheel, project="alpha"))


def test_a_place_that_no_wheel_may_use(house):
    with pytest.raises(BadInputError, match="'etc' is no place"):
        house.assemble(make_wheel("alpha", files={"alpha-1.0.data/etc/passwd": b""}))


def test_a_wheel_that_replaces_the_interpreter(house):
    with pytest.raises(BadInputError, match=r"the place of a program that finds others") as caught:
        house.assemble(make_wheel("alpha", files={"alpha-1.0.data/scripts/python": b"evil"}))
    assert caught.value.where.endswith(": opt/venv/bin/python")


@pytest.mark.parametrize("layers", [1, 60])
def test_two_packages_that_clash_are_both_named(house, layers):
    wheels = (make_wheel("alpha", files={"shared.py": b"1"}), make_wheel("beta", files={"shared.py": b"2"}))
    with pytest.raises(BadInputError, match=r"alpha and beta put different files|beta and alpha") as caught:
        house.assemble(*wheels, layers=layers, **{"large-package": 0})
    assert caught.value.where == f"/{SITE}/shared.py"


@pytest.mark.parametrize("layers", [1, 60])
def test_two_packages_may_share_the_same_bytes(house, layers):
    files = {"shared.py": b"1"}
    house.assemble(make_wheel("alpha", files=files), make_wheel("beta", files=files), layers=layers, large_package=0)
    assert house.files()[f"{SITE}/shared.py"][1] == b"1"


def test_a_file_where_another_package_needs_a_folder(house):
    with pytest.raises(BadInputError, match="needs a folder"):
        house.assemble(make_wheel("alpha", files={"x/y.py": b""}), make_wheel("beta", files={"x": b""}))


WHOLE = wheel_files(
    "alpha",
    "1.0",
    entry_points=POINTS,
    files={"alpha/__init__.py": b"x = 1\n" * 99, "alpha-1.0.data/scripts/t": b"#!python"},
)
METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
WHOLES = [pack(WHOLE, method=method) for method in METHODS]
places = st.one_of(st.integers(0, 4000), st.integers(-700, -1))
"""Bytes from the start, and from the end, where the directory is."""


@given(
    st.sampled_from(WHOLES),
    st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 8),
)
@settings(max_examples=300)
@example(WHOLES[3], [(49, 0)], 0)
def test_a_spoilt_wheel_is_refused_or_gives_a_sound_layer(whole, changes, cut):
    data = bytearray(whole[: len(whole) - cut])
    for place, value in changes:
        data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        wheel, layer = Path(folder, "wheel"), Path(folder, "layer")
        wheel.write_bytes(data)
        package = Package(
            "alpha", "1.0", "alpha-1.0-py3-none-any.whl", hashlib.sha256(data).hexdigest(), requested=True, path=wheel
        )
        with suppress(BadInputError, CorruptError):
            (built,) = build_layers([package], Environment("opt/venv", "3.11"), LayerForm("spliced", 10**9), layer)
            assert hashlib.sha256(gzip.decompress(layer.read_bytes())).hexdigest() == built.diff_id


@pytest.mark.parametrize("line", ["x" * 200_000 + ",sha256=A,1\n", "a,sha256=A," + "9" * 5000 + "\n"])
def test_a_record_that_is_too_much(house, line):
    with pytest.raises((BadInputError, CorruptError), match="RECORD"):
        house.assemble(make_wheel("alpha", record=line.encode()))


SCRIPT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from tests.unit.builder.room import House
from tests.wheels import make_wheel
if __name__ == "__main__":
    wheels = [make_wheel(name, files={f"{name}/__init__.py": os.urandom(0) + name.encode() * 5000}) for name in sys.argv[3:]]
    print(House(Path(sys.argv[1])).assemble(*wheels).manifest)
"""


def test_the_same_image_in_another_place_time_zone_umask_and_order(tmp_path):
    names = ["alpha", "beta", "gamma", "delta"]
    digests = set()
    for number, (zone, locale, umask) in enumerate((("UTC", "C", "022"), ("Asia/Tokyo", "C.UTF-8", "077"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-c", SCRIPT, str(folder), umask, *(names if number else reversed(names))]
        digests.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert len(digests) == 1
