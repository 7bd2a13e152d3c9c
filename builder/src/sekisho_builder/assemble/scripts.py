"""Scripts: entry points made into programs, and ``#!python`` made into an interpreter that exists."""

import configparser
import keyword
import re
from collections.abc import Iterator
from typing import Protocol

_SHEBANG = re.compile(rb"\A#!(python|pythonw)(?P<rest>[^\r\n]*)(?=\r?\n|\Z)")
_ENTRY = re.compile(r"^(?P<module>\w+(\.\w+)*)\s*:\s*(?P<attribute>\w+(\.\w+)*)\s*(\[[^\]]*\])?\s*$")
_NAME = re.compile(r"^[\w.+-][\w .+-]*$")
_PROGRAM = """\
#!{home}/bin/python
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({attribute}())
"""


class _Refuses(Protocol):
    def bad(self, what: str, member: str = "") -> Exception: ...


def with_interpreter(content: bytes, home: str) -> bytes:
    """Return a script with ``#!python`` replaced (PEP 427, "recommended installer features").

    Any other script is returned as it is, the same object. ``home`` is what programs call the environment's prefix.
    """
    found = _SHEBANG.match(content)
    if found is None:
        return content
    return b"#!%s/bin/python%s" % (home.encode(), found["rest"]) + content[found.end() :]


def names(entry: re.Match[str]) -> list[str]:
    """Return every name that an entry point puts into a program."""
    return [*entry["module"].split("."), *entry["attribute"].split(".")]


def console_scripts(text: bytes, home: str, wheel: _Refuses, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, program) for each console and GUI entry point, sorted by name."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # names keep their case
    try:
        parser.read_string(text.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise wheel.bad(f"entry_points.txt cannot be read: {error}", where) from error
    groups = [parser[group] for group in ("console_scripts", "gui_scripts") if parser.has_section(group)]
    for name, value in sorted(pair for group in groups for pair in group.items()):
        yield name, entry_program(name, value, home, wheel, where)


def entry_program(name: str, value: str, home: str, package: _Refuses, where: str) -> bytes:
    """Return the program of an entry point ``module:attribute``; raise what ``package.bad`` gives for no such."""
    entry = _ENTRY.fullmatch(value.strip())
    if entry is None or not _NAME.fullmatch(name):
        raise package.bad(f"the entry point {name[:80]!r} is not `name = module:attribute`", where)
    if any(keyword.iskeyword(part) or not part.isidentifier() for part in names(entry)):
        raise package.bad(f"the entry point {name[:80]!r} does not name what Python could import", where)
    return _PROGRAM.format(
        home=home,
        module=entry["module"],
        first=entry["attribute"].partition(".")[0],
        attribute=entry["attribute"],
    ).encode()
