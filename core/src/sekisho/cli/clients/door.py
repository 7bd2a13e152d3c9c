"""What a client is pointed at, and the files that say so."""

import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sekisho.errors import BadInputError, ConflictError

NAME = "sekisho"
"""How clients that name their indexes name this one."""

MARK = "# written by `sekisho configure`: one index and no other\n"
BEGIN = "# begin: written by `sekisho configure`, one index and no other\n"
END = "# end: written by `sekisho configure`\n"
_UNSAFE = set("\"'\\")


class Mirror(NamedTuple):
    """A channel, as ``sources.yaml`` names it, and by which address projects know it, if that was said."""

    channel: str
    address: str


class Door(NamedTuple):
    """One workspace's index, the authority to trust for it (a file of the client's own), and the in-house index.

    ``mirrors`` are the channels to ask, in order.
    """

    url: str
    ca: Path | None
    upload: str | None
    mirrors: tuple[Mirror, ...] = ()

    @property
    def host(self) -> str:
        """Return the index's host as clients write it."""
        return urlsplit(self.url).hostname or ""

    @property
    def plain(self) -> bool:
        """Tell whether the index is asked without TLS."""
        return urlsplit(self.url).scheme == "http"


class Place(NamedTuple):
    """Where a client runs: its environment and the folder of the project."""

    environment: Mapping[str, str]
    folder: Path

    @classmethod
    def here(cls) -> "Place":
        """Return the place of this process."""
        return cls(os.environ, Path.cwd())

    @property
    def home(self) -> Path:
        """Return the user's home."""
        return Path(self.environment.get("HOME") or Path.home())

    @property
    def config(self) -> Path:
        """Return the folder of the user's configuration (XDG base directory specification)."""
        named = Path(self.environment.get("XDG_CONFIG_HOME") or "")
        return named if named.is_absolute() else self.home / ".config"

    def system(self, name: str) -> list[Path]:
        """Return where the machine's configuration ``name`` may be, the weakest first."""
        named = self.environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        return [Path(folder) / name for folder in reversed(named.split(os.pathsep)) if folder]

    def above(self) -> list[Path]:
        """Return the project's folder and those above it."""
        return [self.folder, *self.folder.parents]


class Finding(NamedTuple):
    """A setting of somebody else that leads a client elsewhere, or away from what was written."""

    where: str
    what: str
    todo: str


class ConfigFile(NamedTuple):
    """A file as it shall be. A ``part`` is kept between two marks, in a file that belongs to somebody else."""

    path: Path
    text: str
    part: bool = False
    secret: bool = False

    def whole(self, *, force: bool) -> bytes:
        """Return the bytes to write; raise ``ConflictError`` if that would undo somebody else's work."""
        old = self._now()
        if not self.part:
            if old and not old.startswith(MARK) and not force:
                raise ConflictError(
                    "the file exists and was not written by this command",
                    where=str(self.path),
                    todo="look at it, then use --force to replace it, or --to to write elsewhere",
                )
            return (MARK + self.text).encode()
        before, begun, rest = old.partition(BEGIN)
        _, ended, after = rest.partition(END)
        if begun and not ended:
            raise ConflictError(
                "the last line of our part is missing", where=str(self.path), todo=f"end it with: {END}"
            )
        if not begun and before.strip():
            before = before.rstrip("\n") + "\n\n"
        new = before + BEGIN + self.text + END + after
        try:
            tomllib.loads(new)
        except tomllib.TOMLDecodeError as error:
            raise ConflictError(
                f"the lines to add do not fit into this file: {error}",
                where=str(self.path),
                todo="remove what the file says of the same thing",
            ) from error
        return new.encode(errors="surrogateescape")

    def written(self) -> bool:
        """Tell whether the file already says it."""
        return self.path.is_file() and (BEGIN if self.part else MARK) + self.text in self._now()

    @property
    def mode(self) -> int:
        """Return what the file's mode shall be, before the umask: of somebody else's file the one that it has."""
        if self.part and self.path.exists():
            return stat.S_IMODE(self.path.stat().st_mode)
        return 0o600 if self.secret else 0o666

    def _now(self) -> str:
        """Return what the file says; a byte that is no UTF-8 comes out as it went in, were it written again."""
        return self.path.read_text(errors="surrogateescape") if self.path.exists() else ""


class Client(NamedTuple):
    """A client: the files that it needs, the variables it needs beside them, and what may lead it elsewhere.

    Each takes the file that ``--to`` names, if any.
    """

    files: Callable[[Door, Place, Path | None], list[ConfigFile]]
    variables: Callable[[Door, Place, Path | None], dict[str, str]]
    astray: Callable[[Door, Place, Path | None], list[Finding]]


def plain(value: object) -> str:
    """Return a value as it may stand on a line of its own; raise ``BadInputError`` for what could begin another line.

    So are quotes refused, and blanks at the ends, which readers of such lines take away.
    """
    text = str(value)
    if _UNSAFE & set(text) or not text.isprintable() or text != text.strip():
        raise BadInputError(f"{text[:120]!r} cannot be written into a configuration file")
    return text


def quoted(value: object) -> str:
    """Return a value as a TOML basic string; raise what ``plain`` raises."""
    return f'"{plain(value)}"'


def same_index(one: object, other: str) -> bool:
    """Tell whether two addresses are the same to a client."""
    return isinstance(one, str) and one.rstrip("/") == other.rstrip("/")


def variables_of(place: Place, wrong: Mapping[str, Callable[[str], bool]]) -> list[Finding]:
    """Return the variables that are set to something that is ``wrong``; the value is not shown, it may be secret."""
    return [
        Finding(name, "this variable leads elsewhere", f"unset {name}")
        for name, is_wrong in wrong.items()
        if (value := place.environment.get(name)) and is_wrong(value)
    ]


def read_toml(path: Path) -> dict[str, object]:
    """Return what a TOML file says; nothing if there is none, or none that a client could read either."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def inside(table: object, *keys: str) -> object:
    """Return the value below ``keys``, or ``None``."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table
