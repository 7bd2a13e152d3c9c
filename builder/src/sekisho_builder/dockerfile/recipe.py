"""What a Dockerfile may say. It is read before an engine sees it: what brings in bytes from elsewhere is refused."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sekisho.errors import BadInputError

BASE = "SEKISHO_BASE"
"""The argument that names the assembled image, by digest: the only thing to stand on."""

_LONGEST = 256 << 10
_INSIDE_A_WORD = re.compile(r"\S\\[ \t]*$")
"""A line that is continued where no space is: engines join such lines each in its way, and two backslashes as well."""

_DIRECTIVE = re.compile(r"^#\s*(syntax|escape|check)\s*=", re.IGNORECASE)
_KNOWN = frozenset(
    [
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "WORKDIR",
    ]
)
"""``ADD`` fetches addresses and unpacks; ``ONBUILD``, ``VOLUME`` and ``MAINTAINER`` do nothing for such an image."""


class Instruction(NamedTuple):
    """One instruction, its lines joined, and the number of its first line."""

    line: int
    name: str
    words: str


def check(text: str, *, where: str) -> tuple[Instruction, ...]:
    """Return the instructions; raise ``BadInputError`` naming the first line that is not allowed."""
    if len(text) > _LONGEST:
        raise BadInputError(f"the Dockerfile is longer than {_LONGEST} bytes", where=where)
    if odd := next((letter for letter in text if not (letter.isprintable() or letter in "\n\t")), None):
        raise BadInputError(f"{odd!r} is read by engines in their own ways", where=where, todo="take it out")
    found = tuple(_instructions(text, where))
    stages: list[str] = []
    for row in found:
        if row.name not in _KNOWN:
            raise _bad(
                row, where, f"{row.name} is no instruction that is built here", f"use {', '.join(sorted(_KNOWN))}"
            )
        if row.name == "FROM":
            stages.append(_from(row, stages, where))
        if row.name in {"COPY", "RUN"}:
            _check_flags(row, stages, where)
    if not stages:
        raise BadInputError(
            "the Dockerfile has no FROM", where=where, todo=f"begin with `ARG {BASE}` and `FROM ${{{BASE}}}`"
        )
    return found


def _instructions(text: str, where: str) -> Iterator[Instruction]:
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if _DIRECTIVE.match(bare):
            raise BadInputError(
                "a parser directive could have the file read by something else", where=f"{where}, line {number}"
            )
        if "<<" in bare:
            raise BadInputError("a here-document is read by newer engines only", where=f"{where}, line {number}")
        if not bare or bare.startswith("#"):
            continue
        if _INSIDE_A_WORD.search(line):
            raise BadInputError(
                "a line that goes on inside a word is read by engines in their own ways",
                where=f"{where}, line {number}",
                todo="put a space before the backslash at its end",
            )
        first = first or number
        whole += bare.removesuffix("\\") + " "
        if not bare.endswith("\\"):
            name, _, words = whole.strip().partition(" ")
            yield Instruction(first, name.upper(), words.strip())
            whole, first = "", 0
    if whole:
        raise BadInputError("the last instruction does not end", where=f"{where}, line {first}")


def _from(row: Instruction, stages: list[str], where: str) -> str:
    """Check what a stage stands on, the base or a named stage before it; return its name, nothing without one."""
    words = row.words.split()
    named = len(words) == 3 and words[1].upper() == "AS"
    if not words or (len(words) != 1 and not named):
        raise _bad(row, where, "FROM names one image", f"write `FROM ${{{BASE}}}`")
    if words[0] not in {f"${{{BASE}}}", f"${BASE}"} and words[0].lower() not in filter(None, stages):
        raise _bad(row, where, f"{words[0][:80]!r} is not the approved base", f"write `FROM ${{{BASE}}}`")
    return words[2].lower() if named else ""


def _check_flags(row: Instruction, stages: list[str], where: str) -> None:
    for word in row.words.split():
        if not word.startswith("--"):
            return
        flag, _, value = word.partition("=")
        if (
            flag == "--from"
            and value.lower() not in [name for name in stages[:-1] if name]
            and value not in map(str, range(len(stages) - 1))
        ):
            raise _bad(row, where, f"{value[:80]!r} is no earlier stage", "copy from a stage of this file")
        if flag not in {"--from", "--chown"}:
            raise _bad(row, where, f"{flag} is not known to every engine", "leave it out")


def _bad(row: Instruction, where: str, what: str, todo: str) -> BadInputError:
    return BadInputError(what, where=f"{where}, line {row.line}", todo=todo)
