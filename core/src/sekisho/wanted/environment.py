"""conda's ``environment.yml``: match specs, the channels that they are looked for at, and a pip section."""

import re
from typing import Any

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS
from sekisho.wanted.lines import Nested, read_lines
from sekisho.wanted.specs import read_spec
from sekisho.wanted.value import Lines, Named, Wanted, at, check_count, shown, together

NO_DEFAULTS = "nodefaults"
"""The word of a file that wants no channel but those that it names; none is added here anyway."""

_MOST_CHANNELS = 20
_KNOWN = {"name", "prefix", "channels", "dependencies", "variables", "platforms"}
_IGNORED = {
    "variables": "its variables are set by whoever runs the environment",
    "platforms": "its platforms; the target is named with --python, --glibc and --arch",
}


def read_environment(text: str, *, where: str, nested: Nested | None = None) -> Wanted:
    """Read an environment; raise ``BadInputError`` with file and line for what cannot be read."""
    found = load_yaml(text, where=where)
    rows = found.get("dependencies") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise BadInputError(
            "an environment has a list `dependencies`",
            where=where,
            todo="write one, each package in a line with a dash",
        )
    for key in found:
        if key not in _KNOWN:
            raise BadInputError(
                f"an environment has no {shown(key)!r}",
                where=at(where, text, f"\n{key}:" if not text.startswith(f"{key}:") else f"{key}:"),
                todo=f"it has {', '.join(sorted(_KNOWN))}",
            )
    check_count(len(rows), MOST_REQUIREMENTS, "dependencies", where=where)
    lines = Lines(text, where)
    parts: list[Wanted] = []
    specs: list[Named] = []
    for row in rows:
        if isinstance(row, dict):
            parts += _pip(row, text, where, nested)
        elif not isinstance(row, str):
            raise BadInputError(f"{shown(str(row))!r} is no package", where=at(where, text, str(row)))
        else:
            here = lines.at(row)
            specs.append(Named(read_spec(row, where=here), here))
    return together(
        [*parts, Wanted(python=_python(specs), conda=tuple(specs), channels=_channels(found, lines, where))]
    )._replace(ignored=tuple(said for key, said in _IGNORED.items() if found.get(key)))


def _channels(found: dict[str, Any], lines: Lines, where: str) -> tuple[Named, ...]:
    rows = found.get("channels") or []
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise BadInputError("`channels` is not a list of names", where=lines.at("channels:"))
    check_count(len(rows), _MOST_CHANNELS, "channels", where=where)
    return tuple(Named(row, lines.at(row)) for row in rows if row != NO_DEFAULTS)


def _python(specs: list[Named]) -> str | None:
    """Return what the specs of Python itself say, as far as PEP 440 can say it."""
    rows = (row for row in specs if re.match(r"(?:[^\s:]+::)?python(?![\w.-])", row.text))
    said = (python_spec(row.text, where=row.where) for row in rows)
    return ",".join(filter(None, said)) or None


def _pip(row: dict[str, Any], text: str, where: str, nested: Nested | None) -> list[Wanted]:
    here = at(where, text, f"{next(iter(row), '')}:")
    if set(row) != {"pip"}:
        named = shown(", ".join(row))
        raise BadInputError(
            f"{named!r} is no section that is known",
            where=here,
            todo="`pip:` alone may be one, with requirements below it",
        )
    if not isinstance(row["pip"], list):
        raise BadInputError(
            "the section `pip` is no list of requirements",
            where=here,
            todo="write each requirement in a line of its own below it, with a dash",
        )
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
    if not spec or spec.startswith("["):
        return None
    first = re.sub(r"\s*,\s*", ",", spec).split()[0]
    if exact := re.fullmatch(r"={0,2}(\d+(?:\.\d+)*)(?:\.\*)?(?:=.*)?", first):
        return f"=={exact[1]}" if exact[1].count(".") >= 2 else f"=={exact[1]}.*"
    if re.fullmatch(r"(?:(?:[<>]=?|!=|~=)\d+(?:\.\d+)*(?:\.\*|a0)?,?)+", first):
        return first.rstrip(",").replace("a0", "")
    raise BadInputError(
        f"{shown(row)!r} says of Python what cannot be read", where=where, todo="write it as python=3.11"
    )
