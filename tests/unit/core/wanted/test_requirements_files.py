"""What pip reads is read as pip reads it; what pip would take from elsewhere is refused with file and line."""

import os

import pytest

from sekisho.errors import BadInputError
from sekisho.wanted import read_lines, read_wanted

SHA, OTHER = "ab" * 32, "cd" * 32


def _read(tmp_path, text, **more):
    for name, other in more.items():
        (tmp_path / name).write_text(other)
    path = tmp_path / "requirements.in"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_wanted(path)


def test_comments_continuations_extras_and_markers(tmp_path):
    text = """# why
six  # because

Requests[socks, use_chardet_on_py3] \\
    >=2.30, \\
    <3
tomli ; python_version < "3.11"  # a marker
    # an indented comment
name~=1.0#no-comment-as-there-is-no-space
"""
    with pytest.raises(BadInputError, match="is not a requirement") as caught:
        _read(tmp_path, text)
    assert caught.value.where.endswith("requirements.in, line 9")
    assert _read(tmp_path, text.rsplit("\n", 2)[0]).requirements == (
        "six",
        "Requests[socks,use_chardet_on_py3]<3,>=2.30",
        'tomli; python_version < "3.11"',
    )


def test_hashes_are_kept_by_project(tmp_path):
    text = f"six==1.17.0 \\\n    --hash=sha256:{SHA} \\\n    --hash sha256:{OTHER.upper()} --hash=sha384:{'0' * 96}\nidna\n"
    found = _read(tmp_path, text)
    assert found.requirements == ("six==1.17.0", "idna")
    assert found.hashes == {"six": (SHA, OTHER)}


def test_files_name_files_beside_them(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.in").write_text("-c pins.txt\nidna\n")
    (tmp_path / "more" / "pins.txt").write_text(f"idna==3.11 --hash=sha256:{SHA}\n-r ../c.in\n")
    found = _read(tmp_path, "-r more/b.in\nsix\n--requirement=c.in\n-cmore/pins.txt\n", **{"c.in": "pytz\n"})
    assert found.requirements == ("pytz", "idna", "six", "pytz", "pytz")
    assert found.constraints == ("idna==3.11", "idna==3.11")
    assert found.hashes == {"idna": (SHA,)}


ELSEWHERE = {
    "editable": "-e .",
    "editable vcs": "--editable git+https://user:secret@code.invalid/x#egg=x",
    "address": "https://files.invalid/x-1.0-py3-none-any.whl",
    "direct": "x @ https://files.invalid/x-1.0-py3-none-any.whl",
    "direct with extras": "x[fast]@file:///tmp/x.whl",
    "vcs": "git+ssh://git@code.invalid/x.git@v1#egg=x",
    "old vcs": "x @ git+https://code.invalid/x",
    "path": "./x",
    "folder": "../x/",
    "home": "~/x",
    "absolute": "/tmp/x",
    "below": "wheels/x",
    "windows": "C:\\x",
    "wheel": "x-1.0-py3-none-any.whl",
    "archive": "x-1.0.tar.gz",
    "index": "--index-url https://index.invalid/simple",
    "short index": "-i https://index.invalid/simple",
    "attached": "-ihttps://index.invalid/simple",
    "extra index": "--extra-index-url=https://index.invalid/simple",
    "links": "-f https://index.invalid/links",
    "no index": "--no-index",
    "remote file": "-r https://index.invalid/r.txt",
    "unknown option": "--frobnicate",
    "unknown option of a requirement": "x --frobnicate=1",
    "hash of no version": f"x>=1 --hash=sha256:{SHA}",
    "hash of many versions": f"x==1.* --hash=sha256:{SHA}",
    "short hash": "x==1 --hash=sha256:abcd",
    "no hash": "x==1 --hash=",
    "weak hash": f"x==1 --hash=md5:{'0' * 32}",
    "open quote": "-r 'x",
    "no requirement": "???",
    "variable": "x==${VERSION}",
    "nul": "x\0",
    "marker of a lock": "x; 'dev' in dependency_groups",
    "missing file": "-r nowhere.txt",
    "nothing named": "-r",
    "folder named": "-c .",
    "itself": "-r requirements.in",
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_not_taken_is_refused_with_file_and_line(tmp_path, name):
    with pytest.raises(BadInputError) as caught:
        _read(tmp_path, f"six\n\n{ELSEWHERE[name]}\n")
    assert caught.value.where == f"{tmp_path / 'requirements.in'}, line 3"
    assert caught.value.todo
    assert "secret" not in str(caught.value)


def test_the_line_of_a_file_that_was_named_is_named(tmp_path):
    with pytest.raises(BadInputError) as caught:
        _read(tmp_path, "-r a.in\n", **{"a.in": "six\n-c b.in\n", "b.in": "\n\nsix[fast]==1\n"})
    assert caught.value.where == f"{tmp_path / 'b.in'}, line 3"


def test_files_that_name_one_another_end(tmp_path):
    with pytest.raises(BadInputError, match="is being read already") as caught:
        _read(tmp_path, "-r a.in\n", **{"a.in": "six\n-r requirements.in\n"})
    assert caught.value.where == f"{tmp_path / 'a.in'}, line 2"
    for n in range(12):
        (tmp_path / f"{n}.in").write_text(f"-r {n + 1}.in\n" * 2)
    (tmp_path / "12.in").write_text("")
    with pytest.raises(BadInputError, match="more than 200 files"):
        _read(tmp_path, "-r 0.in\n")


def test_options_that_change_nothing_are_named(tmp_path):
    found = _read(
        tmp_path,
        "--pre\n--only-binary :all: --no-binary=x\n--trusted-host h.invalid\n--require-hashes\n"
        "-i https://packages.invalid:8471/w/team-a/pypi/simple/\nsix --config-settings=a=b\n",
    )
    assert found.requirements == ("six",)
    said = [line.rpartition("requirements.in, ")[2].partition(" is ignored")[0] for line in found.ignored]
    assert said == [
        "line 1: --pre", "line 2: --only-binary", "line 2: --no-binary", "line 3: --trusted-host",
        "line 4: --require-hashes", "line 5: --index-url", "line 6: --config-settings",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_a_shell_wrote_is_read_in_its_encoding(tmp_path, encoding):
    assert _read(tmp_path, "six  # é\r\nidna\r\n".encode(encoding)).requirements == ("six", "idna")


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path):
    with pytest.raises(BadInputError, match="not utf-8") as caught:
        _read(tmp_path, b"six\n\xff\xfe\xfd\n")
    assert caught.value.where.endswith("requirements.in, line 2")


def test_five_thousand_lines_are_read_and_one_more_is_named(tmp_path):
    lines = "".join(f"name{n}=={n}.0 \\\n  --hash=sha256:{SHA}\n" for n in range(5000))
    found = _read(tmp_path, lines)
    assert (len(found.requirements), len(found.hashes)) == (5000, 5000)
    with pytest.raises(BadInputError, match="more than 5000 requirements") as caught:
        _read(tmp_path, lines + "one-more\n")
    assert caught.value.where.endswith("requirements.in, line 10001")


def test_a_file_that_nobody_wrote_by_hand_is_not_read(tmp_path):
    with pytest.raises(BadInputError, match="larger than 20000000 bytes"):
        _read(tmp_path, b"#" * 20_000_001)


def test_pasted_text_names_no_files():
    assert read_lines("six\n# why\nidna", where="the form").requirements == ("six", "idna")
    with pytest.raises(BadInputError, match="cannot be opened here") as caught:
        read_lines("six\n-r /etc/passwd", where="the form")
    assert caught.value.where == "the form, line 2"


def _pipe(path):
    os.mkfifo(path)


def _circle(path):
    path.symlink_to(path)


ODD = {
    "a folder": (lambda path: path.mkdir(), "a folder"),
    "a pipe that nobody writes into": (_pipe, "a pipe"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "a terminal, or what takes its place": (lambda path: path.symlink_to("/dev/null"), "a device"),
    "a gigabyte": (lambda path: (path.touch(), os.truncate(path, 10**9)), "larger than 20000000 bytes"),
    "a circle of links": (_circle, "cannot be opened"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("option", ["-r", "-c"])
def test_only_regular_files_of_a_bounded_size_are_opened(tmp_path, name, option):
    make, said = ODD[name]
    make(tmp_path / "odd.in")
    with pytest.raises(BadInputError, match=f"odd.in.* {said}") as caught:
        _read(tmp_path, f"six\n{option} odd.in\n")
    assert caught.value.where == f"{tmp_path / 'requirements.in'}, line 2"
    assert caught.value.todo


@pytest.mark.parametrize("name", [name for name in ODD if name != "a circle of links"])
def test_what_a_person_names_is_a_regular_file_too(tmp_path, name):
    make, said = ODD[name]
    make(tmp_path / "odd.in")
    with pytest.raises(BadInputError, match=f"odd.in.* {said}"):
        read_wanted(tmp_path / "odd.in")


@pytest.mark.parametrize("name", ["/dev/zero", "nul\0.in", "a" * 5000, "gone.in"])
def test_a_name_that_leads_to_no_file_is_named_with_its_line(tmp_path, name):
    with pytest.raises(BadInputError) as caught:
        _read(tmp_path, f"six\n-r {name}\n")
    assert caught.value.where == f"{tmp_path / 'requirements.in'}, line 2"
    assert len(str(caught.value)) < 1000


def test_files_that_are_too_much_together_are_not_read(tmp_path):
    (tmp_path / "big.in").write_text("#" * 15_000_000)
    with pytest.raises(BadInputError, match="more than 60000000 bytes") as caught:
        _read(tmp_path, "-r big.in\n" * 5)
    assert caught.value.where.endswith("requirements.in, line 4")


LONG = {
    "hashes in one line": (f"six==1 {f'--hash=sha256:{SHA} ' * 100_000}", None),
    "hashes in lines that are one": (f"six==1 \\\n{f'  --hash=sha256:{SHA} {chr(92)}{chr(10)}' * 100_000}\n", None),
    "blanks before a comment": ("six" + " " * 5_000_000 + "# why", None),
    "blanks": ("six" + " " * 5_000_000 + "x", "more than 50000 characters"),
    "options with quotes": (f"six==1 --hash={f'sha256:{SHA} --hash=' * 1_000}'x'", "more than 50000 characters"),
    "options": ("--pre\n" * 20_001, "more than 20000 lines"),
    "constraints": ("-c pins.in\n", "more than 10000 constraints"),
}


@pytest.mark.parametrize("name", LONG)
def test_long_lines_and_many_are_read_at_once_or_refused_with_their_place(tmp_path, name):
    """Each of these took minutes: the time for the first ones was that of the square of their length."""
    text, said = LONG[name]
    (tmp_path / "pins.in").write_text("six==1\n" * 10_001)
    if said is None:
        assert [row.partition("==")[0] for row in _read(tmp_path, text).requirements] == ["six"]
        return
    with pytest.raises(BadInputError, match=said) as caught:
        _read(tmp_path, text)
    assert ", line " in caught.value.where
    assert len(str(caught.value)) < 1000
