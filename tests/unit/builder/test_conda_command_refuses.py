"""sekisho-conda given what it cannot read: an answer in JSON, status 1, no traceback, and nothing half-made."""

import json

import pytest

from sekisho.errors import BadInputError
from sekisho_builder.conda_command.arguments import read_arguments
from sekisho_builder.conda_command.installing import read_explicit
from sekisho_builder.conda_command.solving import records_of
from tests.unit.builder.test_conda_command import call

RECORD = {
    "name": "a",
    "version": "1",
    "build": "0",
    "subdir": "noarch",
    "fn": "a-1-0.conda",
    "url": "http://127.0.0.1:9/forge/noarch/a-1-0.conda",
}
NO_RECORDS = [
    b"",
    b"\xff\xfe",
    b"\x00" * 100,
    b"[" * 100_000,
    b"[]",
    b"null",
    b'{"name": ' + b"9" * 5000 + b"}",
    *(
        json.dumps({key: value for key, value in RECORD.items() if key != left}).encode()
        for left in RECORD
        if left != "build"
    ),
    *(
        json.dumps(RECORD | more).encode()
        for more in (
            {"name": "../x"},
            {"version": "1 2"},
            {"version": None},
            {"build_number": 10**30},
            {"depends": 1},
            {"sha256": "zz"},
            {"md5": 1},
            {"url": "//user:secret@host/x"},
        )
    ),
]


def prefix_of(folder, data):
    (folder / "conda-meta").mkdir(parents=True)
    (folder / "conda-meta" / "a.json").write_bytes(data)
    return folder


def test_a_sound_record_is_read(tmp_path):
    assert [one.file_name for one in records_of(prefix_of(tmp_path, json.dumps(RECORD).encode()))] == ["a-1-0.conda"]


@pytest.mark.parametrize("data", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_what_is_no_record_is_named(tmp_path, data):
    with pytest.raises(BadInputError) as caught:
        records_of(prefix_of(tmp_path, data))
    assert "conda-meta/a.json" in f"{caught.value.where} {caught.value.what}"
    assert "secret" not in str(caught.value)


def test_a_folder_in_place_of_a_record_is_named(tmp_path):
    (tmp_path / "conda-meta" / "a.json").mkdir(parents=True)
    told = json.loads(call("list", "--json", "-p", tmp_path, folder=tmp_path, status=1))
    assert "a.json is a folder" in told["what"]


@pytest.mark.parametrize(
    "channel",
    ["user:secret@host/ch", "http://", "http://[::1", "http://user:secret@host:port/ch", "x" * 100 + ":secret@h"],
)
def test_a_channel_that_is_no_address_is_named_without_a_login(channel):
    with pytest.raises(BadInputError, match="is no address") as caught:
        read_arguments(["create", "-c", channel, "x"], {})
    assert "secret" not in f"{caught.value} {caught.value.diagnostics()}"


def test_what_is_no_platform_or_no_argument_is_refused_without_a_login():
    with pytest.raises(BadInputError, match="no platform"):
        read_arguments(["create", "x"], {"CONDA_SUBDIR": "nowhere"})
    with pytest.raises(BadInputError) as caught:
        read_arguments(["create", "--chanel=user:secret@host/ch", "x"], {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "http://127.0.0.1:99999999/x/linux-64/a-1-0.conda",
        "http://[::1/x/linux-64/a-1-0.conda",
        "http://127.0.0.1:9/x/linux-64/a-!!!-0.conda",
        "user:secret@127.0.0.1/x/linux-64/a-1-0.conda",
        "\x00",
    ],
)
def test_a_line_of_an_explicit_file_that_is_none_is_named(tmp_path, line):
    file = tmp_path / "explicit.txt"
    file.write_text(f"@EXPLICIT\n{line}#{'0' * 32}\n")
    with pytest.raises(BadInputError) as caught:
        read_explicit(file)
    assert caught.value.where.endswith("line 2")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"@EXPLICIT\n\xff", b"#" * 20_000_001], ids=["folder", "no text", "too large"])
def test_an_explicit_file_that_cannot_be_read_is_refused(tmp_path, data):
    file = tmp_path / "explicit.txt"
    file.mkdir() if data is None else file.write_bytes(data)
    with pytest.raises(BadInputError):
        read_explicit(file)


def test_where_an_installation_fails_nothing_is_left_and_what_was_there_stays(tmp_path):
    file = tmp_path / "explicit.txt"
    file.write_text(f"@EXPLICIT\nhttp://127.0.0.1:9/x/linux-64/a-1-0.conda#{'0' * 32}\n")
    fresh, old = tmp_path / "fresh", prefix_of(tmp_path / "old", json.dumps(RECORD).encode())
    for prefix in (fresh, old):
        told = json.loads(call("create", "--file", file, "--prefix", prefix, folder=tmp_path, status=1))
        assert told["success"] is False
        assert "cannot be installed" in told["what"]
    assert not fresh.exists()
    assert (old / "conda-meta" / "a.json").exists()
    told = json.loads(call("create", "--file", tmp_path / "none.txt", "-p", fresh, folder=tmp_path, status=1))
    assert "No such file" in told["what"]
