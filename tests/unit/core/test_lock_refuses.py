"""``sekisho lock`` of what cannot be read: a sentence, status 1, no traceback, no file, and nobody is asked."""

import pytest

from tests.command_line import run

BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
FOREIGN = "channels: ['user:secret@elsewhere.invalid/ch']\ndependencies: [{pip: ['https://user:secret@h/x.whl']}]\n"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("environment.yml", BOMB.encode()),
        ("environment.yml", b"unheard-of: 1\ndependencies: [numpy]\n"),
        ("environment.yml", FOREIGN.encode()),
        ("conda-lock.yml", b"version: 1\npackage: [{name: 1, version: [1], manager: {}, platform: linux-64, url: []}]"),
        ("pixi.lock", b"version: 6\nenvironments: []\npackages: 3\n"),
        ("pylock.toml", b'lock-version = "1.0"\npackages = [{name = 1}]\n'),
        ("uv.lock", b"\xff\xfe\xff"),
        ("explicit.txt", b"@EXPLICIT\nuser:secret@elsewhere.invalid/linux-64/x-1-0.conda\n"),
        ("requirements.txt", b"\x00" * 100),
        ("requirements.txt", b"#" * 20_000_001),
        ("requirements.txt", b"-r missing.txt\n"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_written(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    out = tmp_path / "out.txt"
    ran = run("lock", "-r", str(tmp_path / name), "-o", str(out), SEKISHO_PORTAL_URL="http://127.0.0.1:9")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("sekisho: ")
    assert "portal" not in ran.err
    assert name in ran.err
    assert "secret" not in ran.err
    assert not out.exists()


@pytest.mark.parametrize("words", [(), ("-r", "none.txt"), ("-r", "."), ("image", "--request", "1"), ("--format", "x")])
def test_a_call_that_is_none_ends_with_status_2(words):
    assert run("lock", *words).status == 2
