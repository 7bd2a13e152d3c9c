"""The arguments of conda that conda-lock gives, read into one value."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from sekisho.bare import bare
from sekisho.errors import BadInputError
from sekisho.model.conda import is_subdir

_ADDRESSES = ("http", "https", "file")


class Asked(NamedTuple):
    """What is asked for. ``rest`` are match specs, or for ``run`` a program and its arguments."""

    command: str
    subdir: str
    channels: tuple[str, ...]
    rest: tuple[str, ...]
    prefix: Path | None = None
    file: Path | None = None
    dry_run: bool = False
    caches: Path | None = None

    def prefix_or_raise(self) -> Path:
        """Return the prefix, absolute: a relative one would be written into the files of an environment."""
        if self.prefix is None:
            raise BadInputError("no prefix is named", todo="name one with --prefix")
        return self.prefix.absolute()


def read_arguments(words: Sequence[str], environment: Mapping[str, str]) -> Asked:
    """Read a command line; raise ``BadInputError`` for what this is not able to do.

    A channel is an address: a bare name would be looked for at a public host.
    """
    command, *more = words or ("",)
    parser = _Parser(prog="sekisho-conda", add_help=False, allow_abbrev=False)
    parser.add_argument("-p", "--prefix", type=Path)
    parser.add_argument("-c", "--channel", action="append", default=[])
    parser.add_argument("--file", type=Path)
    for flag in (
        "--dry-run",
        "--json",
        "--override-channels",
        "--no-pip",
        "--quiet",
        "--copy",
        "--strict-channel-priority",
    ):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-y", "--yes", action="store_true")
    parser.add_argument("rest", nargs=argparse.REMAINDER if command == "run" else "*")
    found = parser.parse_intermixed_args(more) if command != "run" else parser.parse_args(more)
    for channel in found.channel:
        if not _is_address(channel):
            raise BadInputError(
                f"channel {bare(channel)[:120]!r} is no address", todo="name the channel by its address at a door"
            )
    caches, subdir = environment.get("CONDA_PKGS_DIRS"), environment.get("CONDA_SUBDIR") or "linux-64"
    if not is_subdir(subdir):
        raise BadInputError(f"there is no platform {subdir[:80]!r}", where="CONDA_SUBDIR", todo="name one as linux-64")
    return Asked(
        command,
        subdir,
        tuple(found.channel),
        tuple(found.rest),
        found.prefix,
        found.file,
        found.dry_run,
        Path(caches) if caches else None,
    )


def _is_address(channel: str) -> bool:
    try:
        parts = urlsplit(channel)
        return parts.scheme == "file" or (parts.scheme in _ADDRESSES and bool(parts.hostname) and parts.port != 0)
    except ValueError:  # of a port, or of what stands in brackets
        return False


def caches_of(asked: Asked) -> Path:
    """Return the folder of packages and of what channels said: that of conda-lock's, or one of this user's own."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sekisho" / "conda"
    return asked.caches or own


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInputError(
            f"this cannot be asked of sekisho-conda: {bare(message)}", todo="see `conda-lock lock --help`"
        )
