"""Wheels as an attacker would make them."""

import io
import struct
import zipfile

import pytest

from sekisho.errors import ConfusingError
from sekisho.zip_layout import Member, check_layout
from sekisho_proxy.inspect.contents import check_bomb
from sekisho_proxy.inspect.modules import importable
from sekisho_proxy.inspect.wheel import Job, inspect_file
from tests.wheels import make_wheel, metadata_text, pack, record_of, wheel_files

NAME = "x-1.0-py3-none-any.whl"


@pytest.fixture
def inspect(tmp_path):
    """Inspect bytes as a wheel's; give the facts."""

    def look(data, *, filename=NAME, core_metadata=None):
        path = tmp_path / "blob"
        path.write_bytes(data)
        return inspect_file(Job(path=str(path), filename=filename, sha256="0" * 64, core_metadata=core_metadata))

    return look


def codes(facts):
    return [finding.code for finding in facts.findings]


def confused(facts):
    assert codes(facts) == ["archive_confusion"]
    return facts.findings[0].detail


def test_a_sound_wheel(inspect):
    files = {"x/__init__.py": b"", "x/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF...", "x/tool": b"MZ.."}
    extra = "License: MIT\nRequires-Python: >=3.9\nClassifier: License :: OSI Approved :: BSD License\n"
    facts = inspect(make_wheel("x", files=files, requires=("y>1",), extra=extra).data)
    assert facts.findings == ()
    assert facts.files == 6
    assert facts.native == ("x/fast.cpython-311-x86_64-linux-gnu.so", "x/tool")
    assert facts.top_level == ("x",)
    assert (facts.license_expression, facts.license_hint, facts.requires_python) == (None, "MIT", ">=3.9")
    assert facts.requires == ("y>1",)


@pytest.mark.parametrize(
    ("extra", "hint"),
    [
        ("License: " + "long " * 60 + "\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        (
            "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: ISC License (ISCL)\n",
            "ISC License (ISCL)",
        ),
        ("Classifier: License :: A\nClassifier: License :: B\n", None),
        ("", None),
    ],
)
def test_licence_hints(inspect, extra, hint):
    assert inspect(make_wheel("x", extra=extra).data).license_hint == hint


def test_streamed_and_zip64_members_are_fine(inspect):
    class Unseekable(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in wheel_files("x", "1.0").items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert inspect(buffer.getvalue()).findings == ()


def with_member(name, **attributes):
    buffer = io.BytesIO(make_wheel("x").data)
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, b"data")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("/etc/cron.d/x", "no relative path"),
        ("../../x", "leaves its folder"),
        ("x/../../y", "leaves its folder"),
        ("x//y", "leaves its folder"),
        ("C:/x", "no relative path"),
        ("x\\y", "no relative path"),
    ],
)
def test_names_that_lead_elsewhere(inspect, name, word):
    assert word in confused(inspect(with_member(name)))


def test_a_nul_in_a_name(inspect):
    data = with_member("x/evil.pyA.txt").replace(b"x/evil.pyA.txt", b"x/evil.py\x00.txt")
    assert "no relative path" in confused(inspect(data))


def test_a_symbolic_link(inspect):
    assert "symbolic link" in confused(inspect(with_member("x/link", create_system=3, external_attr=0o120777 << 16)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(inspect):
    assert "twice" in confused(inspect(with_member("x/__init__.py")))
    assert "twice" in confused(inspect(with_member("x/__init__.py/")))


def test_bytes_before_between_and_behind(inspect):
    data = make_wheel("x").data
    assert confused(inspect(b"#!/bin/sh\n" + data))
    assert "behind it" in confused(inspect(data + b"more"))
    assert confused(inspect(data[:-22] + b"gap" + data[-22:]))
    assert confused(inspect(b""))
    assert confused(inspect(b"not a zip at all"))


def test_two_end_records(inspect):
    data = make_wheel("x").data
    assert "two end records" in confused(inspect(data[:-2] + struct.pack("<H", 22) + data[-22:]))


def test_two_archives_in_one_file(inspect):
    assert confused(inspect(make_wheel("y").data + make_wheel("x").data))


def test_header_and_directory_disagree(inspect):
    data = make_wheel("x").data
    first = data.replace(b"x/__init__.py", b"x/__evil__.py", 1)
    assert "the member itself" in confused(inspect(first))
    size = bytearray(data)
    size[22:26] = struct.pack("<L", 99)
    assert "another size or checksum" in confused(inspect(bytes(size)))
    count = bytearray(data)
    count[-14:-10] = struct.pack("<HH", 2, 2)
    assert "counts 2 members" in confused(inspect(bytes(count)))


def test_a_member_that_cannot_be_unpacked(inspect):
    data = bytearray(pack(wheel_files("x", "1.0")))
    data[30 + len("x/__init__.py") + 2] ^= 0xFF
    assert "has not the checksum that it states" in confused(inspect(bytes(data)))
    data[30 + len("x/__init__.py")] |= 0x07
    assert "cannot be read" in confused(inspect(bytes(data)))


def test_odd_packing(inspect):
    data = pack(wheel_files("x", "1.0"), method=zipfile.ZIP_LZMA)
    assert "method 14" in confused(inspect(data))


def test_a_bomb(inspect):
    data = make_wheel("x", files={"x/zeros": bytes(80 << 20)}).data
    assert "unpack to" in confused(inspect(data))
    member = Member(b"x", 0, 8, 0, 10 << 30, 21 << 30, 0, 0)
    with pytest.raises(ConfusingError):
        check_bomb([member])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda files, _: files.update({"x/new.py": b"1"}), "is not listed"),
        (lambda files, _: files.update({"x/__init__.py": b"changed"}), "is not what RECORD states"),
        (lambda files, _: files.pop("x/__init__.py"), "is listed and not there"),
        (lambda files, record: files.pop(record), "there is no RECORD"),
        (lambda files, record: files.update({record: files[record] + b"x/__init__.py,,\n"}), "listed twice"),
        (lambda files, record: files.update({record: b"\xff"}), "cannot be read"),
        (lambda files, record: files.update({record: b"x/__init__.py,,\n"}), "without a hash"),
    ],
)
def test_record(inspect, change, word):
    files = wheel_files("x", "1.0")
    change(files, "x-1.0.dist-info/RECORD")
    facts = inspect(pack(files))
    assert set(codes(facts)) == {"record_mismatch"}
    assert any(word in finding.detail for finding in facts.findings)


@pytest.mark.parametrize("metadata", [metadata_text("y", "1.0"), metadata_text("x", "2.0"), b"\xff\xfe", b"Name: x\n"])
def test_metadata_of_something_else(inspect, metadata):
    assert "metadata_mismatch" in codes(inspect(make_wheel("x", metadata=metadata).data))


def test_metadata_other_than_the_index_offers(inspect):
    facts = inspect(make_wheel("x").data, core_metadata="1" * 64)
    assert codes(facts) == ["metadata_mismatch"]


def test_dist_info_of_something_else(inspect):
    assert codes(inspect(make_wheel("y").data)) == ["metadata_mismatch"]
    files = wheel_files("x", "1.0") | {"y-1.0.dist-info/METADATA": b""}
    assert codes(inspect(pack(files))) == ["metadata_mismatch"]
    assert codes(inspect(pack({"x.py": b""}))) == ["metadata_mismatch"]


@pytest.mark.parametrize("name", ["evil.pth", "x-1.0.data/purelib/evil.pth", "x-1.0.data/platlib/evil.pth"])
def test_startup_files(inspect, name):
    assert codes(inspect(make_wheel("x", files={name: b"import os"}).data)) == ["top_level_pth"]


def test_pth_elsewhere_is_harmless(inspect):
    assert codes(inspect(make_wheel("x", files={"x/model.pth": b"weights"}).data)) == []


def test_what_is_neither_wheel_nor_source_is_never_opened(inspect):
    facts = inspect(b"anything", filename="x-1.0.zip")
    assert (facts.size, facts.files, facts.findings) == (8, 0, ())


def test_names_that_become_importable():
    names = [
        "a/__init__.py",
        "a/b/__init__.py",
        "c.py",
        "d.cpython-311-x86_64-linux-gnu.so",
        "e.abi3.so",
        "ns/one/__init__.py",
        "ns/two/deep/__init__.py",
        "ns/mod.py",
        "x-1.0.data/purelib/f/__init__.py",
        "x-1.0.data/scripts/g.py",
        "x-1.0.dist-info/METADATA",
        "share/doc/readme.txt",
        "not-a-name/__init__.py",
        "libz.so.1",
    ]
    assert importable(names) == ("a", "c", "d", "e", "f", "ns.mod", "ns.one", "ns.two.deep")


def test_every_cut_of_a_wheel_is_refused(inspect):
    data = make_wheel("x").data
    for end in range(0, len(data), 7):
        assert codes(inspect(data[:end])) == ["archive_confusion"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x-1.0.data/data/pip.conf", True),
        ("x-1.0.data/data/.condarc", True),
        ("x-1.0.data/scripts/pip.conf", False),
        ("x-1.0.data/purelib/pip.conf", False),
        ("x/pip.conf", False),
    ],
)
def test_settings_that_would_lead_pip_elsewhere(inspect, name, found):
    assert codes(inspect(make_wheel("x", files={name: b"[global]\nindex-url = https://evil.invalid\n"}).data)) == (
        ["client_settings"] if found else []
    )


def test_record_of_is_what_the_inspector_expects():
    assert record_of({"a": b""}, "x-1.0.dist-info").endswith(b"x-1.0.dist-info/RECORD,,\n")
    assert check_layout(io.BytesIO(make_wheel("x").data))
