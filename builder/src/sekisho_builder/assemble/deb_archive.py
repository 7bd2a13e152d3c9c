"""A Debian binary package as an archive (deb(5)): an ar of two tars, read front to back."""

import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import HeaderParser
from pathlib import Path
from typing import Literal

from sekisho.errors import BadInputError, CorruptError
from sekisho_builder.assemble.open_archive import OpenArchive, check_locked
from sekisho_builder.base.debian_lock import LockedDeb

_MAGIC = b"!<arch>\n"
_HEADER = 60
_LARGEST = 8_000_000
_READABLE: Mapping[str, Literal["r|", "r|gz", "r|xz"]] = {"": "r|", ".gz": "r|gz", ".xz": "r|xz"}
_RUN_AT_INSTALLATION = ("preinst", "postinst", "config")
_HARMLESS = re.compile(r"\s*(#.*|set -eu?|exit 0|:|ldconfig|/sbin/ldconfig)?\s*")
"""What a script may say and be left out: an image's layers are found by the loader without its cache."""


class DebArchive(OpenArchive):
    """An open ``.deb`` that is the locked file. ``control`` is its paragraph, ``script`` the lines of its scripts."""

    def __init__(self, deb: LockedDeb, path: Path) -> None:
        self.deb = deb
        self.title = f"{deb.name} {deb.version}"
        check_locked(path, deb.sha256, f"Debian package {self.title}")
        super().__init__(path)

    def _begin(self) -> None:
        self._parts = self._find_parts()
        self.control = self._read_control()

    def bad(self, what: str, member: str = "") -> BadInputError:
        """Return the error for a package that cannot be part of an image."""
        where = f"{self.title}: {member}" if member else self.title
        return BadInputError(what, where=where, todo="leave the package out of `debian`, or take it into the base")

    def entries(self) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
        """Yield what the package installs, in its own order; the pieces must be read before the next entry."""
        with self._tar("data") as archive:
            for info in archive:
                yield info, _pieces(archive, info)

    def _read_control(self) -> str:
        found: dict[str, str] = {}
        with self._tar("control") as archive:
            for info in archive:
                name = info.name.removeprefix("./")
                if info.isfile() and name in {"control", *_RUN_AT_INSTALLATION}:
                    if info.size > _LARGEST:
                        raise self.bad("the file is too large", name)
                    found[name] = b"".join(_pieces(archive, info)).decode(errors="replace")
        for name in _RUN_AT_INSTALLATION:
            rest = [line for line in found.get(name, "").splitlines() if not _HARMLESS.fullmatch(line)]
            if rest:
                raise self.bad(f"its script would have to run, and no script runs here: {rest[0].strip()[:120]}", name)
        told = HeaderParser().parsestr(found.get("control", ""))
        stated = (told["Package"], told["Version"], told["Architecture"])
        if stated != (self.deb.name, self.deb.version, self.deb.arch):
            raise self.bad(f"the package says that it is {' '.join(str(part) for part in stated)[:200]}", "control")
        return found["control"].strip("\n") + "\n"

    @contextmanager
    def _tar(self, which: str) -> Iterator[tarfile.TarFile]:
        start, size, suffix = self._parts[which]
        if suffix not in _READABLE:
            raise self.bad(f"it is packed in a way that is not read here ({suffix})", f"{which}.tar")
        self._file.seek(start)
        try:
            with tarfile.open(fileobj=_Window(self._file, size), mode=_READABLE[suffix]) as archive:
                yield archive
        except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, UnicodeError) as error:
            raise CorruptError(
                f"the Debian package cannot be read: {error}",
                where=f"{self.title}: {which}.tar{suffix}",
                todo="lock anew, and build again",
            ) from error

    def _find_parts(self) -> dict[str, tuple[int, int, str]]:
        found: dict[str, tuple[int, int, str]] = {}
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise self.bad("it is no Debian package")
        while len(header := self._file.read(_HEADER)) == _HEADER:
            name = header[:16].decode(errors="replace").strip().rstrip("/")
            digits = header[48:58].strip()
            if not digits.isdigit() or header[58:] != b"`\n":
                raise self.bad("its ar archive is damaged")
            stem, _, suffix = name.partition(".tar")
            if stem in found:
                raise self.bad("it has two parts of one name", name)
            found[stem] = (self._file.tell(), int(digits), suffix)
            self._file.seek(int(digits) + int(digits) % 2, 1)
        missing = {"debian-binary", "control", "data"} - found.keys()
        if missing:
            raise self.bad(f"it has no part {min(missing)}")
        return found


class _Window(io.RawIOBase):
    """The next ``size`` bytes of a file, for a reader that only goes forward."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _pieces(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    content = archive.extractfile(info) if info.isreg() else None
    while content is not None and (piece := content.read(1 << 18)):
        yield piece
