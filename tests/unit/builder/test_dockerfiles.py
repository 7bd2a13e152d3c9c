"""What a Dockerfile may say, and what an engine is given to build it from."""

import tarfile

import pytest

from sekisho.errors import BadInputError
from sekisho_builder.dockerfile import context
from sekisho_builder.dockerfile.context import pack_context
from sekisho_builder.dockerfile.recipe import check

HEAD = "ARG SEKISHO_BASE\nFROM ${SEKISHO_BASE}\n"


def test_a_sound_dockerfile():
    text = (
        "# words\nARG SEKISHO_BASE\nFROM $SEKISHO_BASE AS first\nRUN one \\\n  # a comment between\n  && two\n"
        "FROM ${SEKISHO_BASE}\nCOPY --from=first --chown=1000:1000 /a /b\ncopy --from=0 /c /d\nFROM first\nUSER 1000\n"
    )
    found = check(text, where="Dockerfile")
    assert [row.name for row in found] == ["ARG", "FROM", "RUN", "FROM", "COPY", "COPY", "FROM", "USER"]
    assert (found[2].line, found[2].words) == (4, "one  && two")


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "nothing": ("", "has no FROM"),
        "a tag": ("FROM debian:12\n", "'debian:12' is not the approved base"),
        "a digest of another": (f"FROM x@sha256:{'0' * 64}\n", "is not the approved base"),
        "scratch": ("FROM scratch\n", "'scratch' is not the approved base"),
        "another argument": ("ARG B=debian\nFROM $B\n", "'$B' is not the approved base"),
        "with more behind": ("FROM ${SEKISHO_BASE}:12\n", "is not the approved base"),
        "platform": ("FROM --platform=linux/arm64 ${SEKISHO_BASE}\n", "FROM names one image"),
        "a later stage": (HEAD + "COPY --from=second /a /b\nFROM ${SEKISHO_BASE} AS second\n", "no earlier stage"),
        "an image": (HEAD + "COPY --from=debian:12 /a /b\n", "'debian:12' is no earlier stage"),
        "itself": (HEAD + "COPY --from=0 /a /b\n", "'0' is no earlier stage"),
        "a number as a base": (HEAD + "FROM 0\n", "'0' is not the approved base"),
        "no number": (HEAD + "FROM ${SEKISHO_BASE}\nCOPY --from=\u00b2 /a /b\n", "'\u00b2' is no earlier stage"),
        "a number of another script": (HEAD + "FROM ${SEKISHO_BASE}\nCOPY --from=\u0660 /a /b\n", "no earlier stage"),
        "no name": (HEAD + "FROM ${SEKISHO_BASE}\nCOPY --from= /a /b\n", "'' is no earlier stage"),
        "a flag in two lines": (HEAD + "COPY -\\\n-from=debian /a /b\n", "goes on inside a word"),
        "an instruction in two lines": (HEAD + "AD\\\nD https://h.invalid/x /x\n", "goes on inside a word"),
        "two backslashes": (HEAD + "RUN true \\\\\nADD https://h.invalid/x /x\n", "goes on inside a word"),
        "a mount": (HEAD + "RUN --mount=type=secret,id=x cat /x\n", "--mount is not known"),
        "a network": (HEAD + "RUN --network=host x\n", "--network is not known"),
        "an address": (HEAD + "ADD https://h.invalid/x /x\n", "ADD is no instruction"),
        "a trigger": (HEAD + "ONBUILD RUN x\n", "ONBUILD is no instruction"),
        "another reader": ("# syntax=docker/dockerfile:1\n" + HEAD, "parser directive"),
        "another escape": ("# escape=`\n" + HEAD, "parser directive"),
        "a here-document": (HEAD + "RUN <<EOF\nFROM x\nEOF\n", "here-document"),
        "no end": (HEAD + "RUN x \\\n", "does not end"),
        "a line break of another kind": (HEAD + "RUN x\x0bFROM debian\n", "in their own ways"),
        "too long": (HEAD + "#" * (300 << 10), "longer than"),
    }.values(),
)
def test_what_would_bring_in_other_bytes_is_refused(text, words):
    with pytest.raises(BadInputError, match="Dockerfile" if words == "has no FROM" else None) as caught:
        check(text, where="Dockerfile")
    assert words in caught.value.what
    assert caught.value.where.startswith("Dockerfile")


def test_the_context_is_the_same_bytes_wherever_it_is_packed(tmp_path):
    for name, mode in (("one", 0o600), ("other", 0o644)):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "b.txt").write_text("b")
        (folder / "a.sh").write_text("a")
        (folder / "sub" / "b.txt").chmod(mode)
        (folder / "a.sh").chmod(0o755)
        (folder / "image.yaml").write_text(name)
        (folder / "verify").mkdir()
        (folder / "verify" / "it.py").write_text(name)
        pack_context(folder, tmp_path / f"{name}.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        assert {row.name: (row.mode, row.mtime) for row in archive} == {
            "a.sh": (0o755, 315532800),
            "sub": (0o755, 315532800),
            "sub/b.txt": (0o644, 315532800),
        }


def test_the_context_has_bounds_and_no_links(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "big").write_bytes(b"x" * 100)
    monkeypatch.setattr(context, "LARGEST", 99)
    with pytest.raises(BadInputError, match="more than 99 bytes"):
        pack_context(folder, tmp_path / "out.tar")
    (folder / "big").unlink()
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInputError, match="a link or a special file"):
        pack_context(folder, tmp_path / "out.tar")
    monkeypatch.setattr(context, "_MOST_FILES", 0)
    with pytest.raises(BadInputError, match="more than 0 files"):
        pack_context(folder, tmp_path / "out.tar")
