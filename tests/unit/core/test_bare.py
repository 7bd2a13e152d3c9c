import pytest

from sekisho.bare import bare
from sekisho.channels import find_channel
from sekisho.errors import BadInputError
from sekisho.wanted.value import shown


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("user:secret@host/ch", "host/ch"),
        ("'user:secret@host/ch' is no address", "'host/ch' is no address"),
        ("--channel=user:secret@host/ch", "--channel=host/ch"),
        ("https://user:sec@ret@host/t/secret/x", "https://host/t/…/x"),
        ("https://secret@host", "https://host"),
        ("x @ git+ssh://git:secret@host/x.git", "x @ git+ssh://host/x.git"),
        ("[('user:secret@host/a', 'u:secret@h/b')]", "[('host/a', 'h/b')]"),
        ("/t/secret/ch/linux-64", "/t/…/ch/linux-64"),
    ],
)
def test_no_login_and_no_token_is_left(said, left):
    assert bare(said) == left


@pytest.mark.parametrize("said", ["pkg:pypi/six@1.0", "somebody@example.org", "a: b@c", "12:30 at x", "numpy@1", ""])
def test_what_is_no_login_stays(said):
    assert bare(said) == said


def test_a_long_line_is_read_once():
    assert len(bare("=a:" * 300_000 + "/@" + "//:@" * 100_000)) < 2_000_000


def test_what_is_shown_of_a_channel_or_a_line_holds_no_login():
    assert shown("user:" + "s" * 200 + "@host/ch") == "host/ch"
    with pytest.raises(BadInputError) as caught:
        find_channel("user:secret@host/ch", {"main": "https://main.invalid/main"}, where="x")
    assert "secret" not in f"{caught.value} {caught.value.diagnostics()}"
    assert "'host/ch'" in caught.value.what
