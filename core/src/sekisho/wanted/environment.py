"""conda's ``environment.yml``: its pip section, and the names of what a channel has to give."""

import re
from typing import Any

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS
from sekisho.wanted.lines import Nested, read_lines
from sekisho.wanted.value import Wanted, at, check_count, line_of, shown, together

_NOT_PACKAGES = {"pip"}


def read_environment(text: str, *, where: str, nested: Nested | None = None) -> Wanted:
    """Read an environment; raise ``BadInputError`` with file and line for what cannot be read."""
    found = load_yaml(text, where=where)
    rows = found.get("dependencies") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise BadInputError("an environment has a list `dependencies`", where=where)
    check_count(len(rows), MOST_REQUIREMENTS, "dependencies", where=where)
    parts: list[Wanted] = []
    channel: list[str] = []
    python = None
    for row in rows:
        if isinstance(row, dict):
            parts += _pip(row, text, where, nested)
        elif not isinstance(row, str):
            raise BadInputError(f"{shown(str(row))!r} is no package", where=at(where, text, str(row)))
        elif row.strip() == "python" or re.match(r"(?:[\w.-]+::)?python[^\w.-]", row):
            with line_of(where, text, row):
                python = python_spec(row, where=where)
        elif row.strip() not in _NOT_PACKAGES and not re.match(r"pip[^\w.-]", row):
            channel.append(row.strip())
    pip = together(parts)
    return pip._replace(python=python, others={"conda": tuple(channel)} if channel else {})


def _pip(row: dict[str, Any], text: str, where: str, nested: Nested | None) -> list[Wanted]:
    if set(row) != {"pip"} or not isinstance(row["pip"], list):
        named = shown(", ".join(row))
        raise BadInputError(f"{named!r} is no section that is known", where=at(where, text, f"{next(iter(row), '')}:"))
    check_count(len(row["pip"]), MOST_REQUIREMENTS, "requirements", where=where)
    parts = []
    for line in row["pip"]:
        if not isinstance(line, str):
            raise BadInputError(f"{shown(str(line))!r} is no requirement", where=at(where, text, str(line)))
        try:
            parts.append(read_lines(line, where=where, nested=nested))
        except BadInputError as error:
            here = at(where, text, line)
            raise BadInputError(
                error.what, where=error.where.replace(f"{where}, line 1", here), todo=error.todo
            ) from error
    return parts


def python_spec(row: str, *, where: str) -> str | None:
    """Put conda's word on Python (``python=3.11``, ``python >=3.10,<3.12``) into PEP 440; nothing for a bare name."""
    spec = row.rpartition("::")[2].strip().removeprefix("python").strip()
    if not spec:
        return None
    first = spec.split()[0]
    if exact := re.fullmatch(r"={0,2}(\d+(?:\.\d+)*)(?:\.\*)?(?:=.*)?", first):
        return f"=={exact[1]}" if exact[1].count(".") >= 2 else f"=={exact[1]}.*"
    if re.fullmatch(r"(?:(?:[<>]=?|!=|~=)\d+(?:\.\d+)*(?:\.\*)?,?)+", first):
        return first.rstrip(",")
    raise BadInputError(
        f"{shown(row)!r} says of Python what cannot be read", where=where, todo="write it as python=3.11"
    )
