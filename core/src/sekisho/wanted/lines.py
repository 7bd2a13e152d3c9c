"""Requirements files, as pip reads them (pip's documentation, "Requirements File Format").

What pip would take from elsewhere is refused: addresses, paths, other indexes. Options that change nothing here are
ignored and named.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement

from sekisho.errors import BadInputError
from sekisho.model import MOST_CONSTRAINTS, MOST_REQUIREMENTS, normalize_project
from sekisho.wanted.value import IN_HOUSE, Wanted, read_requirement, shown, together


class Opened(NamedTuple):
    """Another file that was opened: its text, where it is, and what opens the files that it names."""

    text: str
    where: str
    nested: "Nested"


Nested = Callable[[str, str], Opened]
"""From a name and the line that names it to that file."""

_COMMENT = re.compile(r"(?:^|(?<=\s))#")
_OPTIONS = re.compile(r"(?<=\s)--?[a-z]")
"""Where the options of a requirement begin."""

_QUOTES = frozenset("'\"\\")
_LONGEST_QUOTED = 50_000
"""Characters of options with quotes: those are split with care, a letter at a time."""

_MOST_LINES = 2 * MOST_REQUIREMENTS + MOST_CONSTRAINTS
_HASH = re.compile(r"(sha\d+|md5):([0-9a-fA-F]+)")
_LONG = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links"}
_ELSEWHERE = {"--index-url", "--extra-index-url", "--find-links", "--no-index"}
_FILES = {"--requirement", "--constraint"}
_ALONE = {"--pre", "--prefer-binary", "--require-hashes", "--no-index"}
"""Options without a value."""

_IGNORED = {
    "--trusted-host": "no host is asked but the sources' own",
    "--no-binary": "source is never built here",
    "--only-binary": "only wheels are taken here anyway",
    "--pre": "a pre-release is taken where its requirement names one",
    "--prefer-binary": "only wheels are taken here anyway",
    "--require-hashes": "hashes are kept where they are given",
    "--use-feature": "it is pip's own",
    "--config-settings": "nothing is built here",
    "--global-option": "nothing is built here",
}
_FEWER = "ask for fewer at once"
_DOORS = re.compile(r"https?://[^/\s]+/w/[a-z0-9][a-z0-9._-]*/(@[^/\s]+/)?pypi/simple/?")


class Line(NamedTuple):
    """A logical line: what stands on it, without comments, and the number of its first line."""

    number: int
    text: str


def logical_lines(text: str) -> Iterator[Line]:
    """Join lines that end with a backslash, and leave comments and empty lines out."""
    parts: list[str] = []
    first = 1
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        first = first if parts else number
        comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not comment:
            parts.append(raw[:-1])
            continue
        whole = "".join([*parts, "" if comment else raw])
        parts = []
        begin = _COMMENT.search(whole)
        if found := (whole[: begin.start()] if begin else whole).strip():
            yield Line(first, found)


def read_lines(text: str, *, where: str, nested: Nested | None = None, constrain: bool = False) -> Wanted:
    """Read the text of a requirements file, or with ``constrain`` of a constraints file.

    ``nested`` opens the files that it names. Raises ``BadInputError`` with file and line for whatever is not taken.
    """
    parts: list[Wanted] = []
    count = bound = 0
    for number, line in enumerate(logical_lines(text), 1):
        here = f"{where}, line {line.number}"
        if number > _MOST_LINES:
            raise BadInputError(f"more than {_MOST_LINES} lines that say something", where=here, todo=_FEWER)
        if line.text.startswith("-"):
            more = list(_option(line.text, here, nested))
        else:
            more = [_requirement(line.text, here, constrain=constrain)]
        parts += more
        count += sum(len(row.requirements) for row in more)
        bound += sum(len(row.constraints) for row in more)
        if count > MOST_REQUIREMENTS:
            raise BadInputError(f"more than {MOST_REQUIREMENTS} requirements", where=here, todo=_FEWER)
        if bound > MOST_CONSTRAINTS:
            raise BadInputError(f"more than {MOST_CONSTRAINTS} constraints", where=here, todo=_FEWER)
    return together(parts)


def _requirement(text: str, where: str, *, constrain: bool) -> Wanted:
    """Read a requirement, or a constraint, with the options behind it, of which hashes count."""
    begin = _OPTIONS.search(text)
    bare, rest = (text[: begin.start()].rstrip(), text[begin.start() :]) if begin else (text, "")
    wanted = read_requirement(bare, where=where)
    if constrain and wanted.extras:
        raise BadInputError(f"{shown(bare)!r} is a constraint, so it has no extras", where=where, todo="leave them out")
    hashes, ignored = [], []
    for name, value in _split(rest, where):
        if name == "--hash":
            hashes.append(_sha256(value, where))
        elif name in _IGNORED:
            ignored.append(f"{where}: {name} is ignored: {_IGNORED[name]}")
        else:
            raise BadInputError(f"{name} is no option of a requirement", where=where, todo="remove it")
    line = Wanted(constraints=(str(wanted),)) if constrain else Wanted(requirements=(str(wanted),))
    return line._replace(hashes=_pinned(wanted, hashes, where), ignored=tuple(ignored))


def _pinned(wanted: Requirement, hashes: Sequence[str | None], where: str) -> dict[str, tuple[str, ...]]:
    if not hashes:
        return {}
    known = tuple(filter(None, hashes))
    if not known:
        raise BadInputError("none of the hashes is a SHA-256", where=where, todo="lock it again with SHA-256 hashes")
    if not any(row.operator in {"==", "==="} and not row.version.endswith(".*") for row in wanted.specifier):
        raise BadInputError("hashes need one exact version", where=where, todo="write it as NAME==VERSION --hash=…")
    return {normalize_project("pypi", wanted.name): known}


def _sha256(text: str, where: str) -> str | None:
    """Return a SHA-256 in lower case, nothing for another algorithm."""
    found = _HASH.fullmatch(text)
    if found is None or (found[1] == "sha256" and len(found[2]) != 64):
        raise BadInputError(f"{shown(text)!r} is not a hash", where=where, todo="write it as sha256:…")
    return found[2].lower() if found[1] == "sha256" else None


def _split(text: str, where: str) -> Iterator[tuple[str, str]]:
    """Give options with their values: ``--name=value``, ``--name value``, ``-n value``, ``-nvalue``."""
    words = iter(_words(text, where))
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("--") and len(name) > 2:
            name, value, equals = name[:2], name[2:] + equals + value, "="
        name = _LONG.get(name, name)
        if not equals and name not in _ALONE:
            value = next(words, "")
        yield name, value


def _words(text: str, where: str) -> list[str]:
    """Split options as a shell does."""
    if _QUOTES.isdisjoint(text):
        return text.split()
    if len(text) > _LONGEST_QUOTED:
        raise BadInputError(
            f"options with quotes and more than {_LONGEST_QUOTED} characters", where=where, todo="write them without"
        )
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInputError(f"this line cannot be read: {error}", where=where, todo="correct it") from error


def _option(text: str, where: str, nested: Nested | None) -> Iterator[Wanted]:
    """Give what the options of a line bring: other files, or a word on what is ignored."""
    for name, value in _split(text, where):
        if name in _FILES:
            yield _open(name, value, where, nested)
        elif name == "--editable":
            raise BadInputError(
                f"{shown(value)!r} is a project of this machine, which nobody can judge", where=where, todo=IN_HOUSE
            )
        elif name in _ELSEWHERE and not _DOORS.fullmatch(value):
            raise BadInputError(
                f"{name} leads elsewhere, and packages come from the declared sources only",
                where=where,
                todo="remove the line; where packages come from is said in allowlists/sources.yaml",
            )
        elif name in _ELSEWHERE or name in _IGNORED:
            yield Wanted(ignored=(f"{where}: {name} is ignored: {_IGNORED.get(name, 'it names a door')}",))
        else:
            raise BadInputError(f"options are not requirements: {shown(text)}", where=where, todo="remove the line")


def _open(name: str, value: str, where: str, nested: Nested | None) -> Wanted:
    """Read a file that a line names; as with pip, the line says whether it constrains."""
    if nested is None or not value or "://" in value:
        raise BadInputError(
            f"{name} {shown(value)} names what cannot be opened here", where=where, todo="put its lines in"
        )
    text, path, deeper = nested(value, where)
    return read_lines(text, where=path, nested=deeper, constrain=name == "--constraint")
