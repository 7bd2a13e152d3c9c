"""Debian packages become layers: unpacked, not installed. No script runs, and scanners are told what is there.

What is installed is written as ``/var/lib/dpkg/status.d/<name>``, where Trivy, Syft and Grype look besides ``status``,
and its files as ``/var/lib/dpkg/info/<name>.list``. So no layer depends on the base's own list of packages, and another
base can take the old one's place. ``dpkg`` itself does not read ``status.d``.
"""

import hashlib
import re
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sekisho.model import ImageDefinition
from sekisho_builder.assemble.checks import path_fault
from sekisho_builder.assemble.deb_archive import DebArchive
from sekisho_builder.assemble.layer import BuiltLayer, Owned, built
from sekisho_builder.assemble.layer_file import LayerFile
from sekisho_builder.assemble.layer_series import LayerForm, LayerSeries
from sekisho_builder.base.debian_lock import LockedDeb

Debs = Callable[[LockedDeb], Path]
"""Returns where a locked Debian package is on this machine."""

_MERGED = re.compile(r"(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
_LEFT_OUT = re.compile(
    r"usr/share/(info|lintian|locale|man)/.*|usr/share/doc/(?!.*/copyright$).*|usr/share/doc/.*/.*/copyright"
)
_STATUS = "var/lib/dpkg/status.d"
_INFO = "var/lib/dpkg/info"


def plan_debs(debs: Sequence[LockedDeb], *, large: int) -> list[list[LockedDeb]]:
    """Return the packages of each layer: those of ``large`` bytes or more alone, the others together."""
    ordered = sorted(debs)
    rest = [deb for deb in ordered if deb.size < large]
    return [[deb] for deb in ordered if deb.size >= large] + ([rest] if rest else [])


def build_debian(debs: list[LockedDeb], find: Debs, definition: ImageDefinition, target: Path) -> list[BuiltLayer]:
    """Write the layer of some Debian packages, or several where it would be too large.

    Raises ``CorruptError`` for what is not the locked file, and ``BadInputError`` for a package that cannot do without
    its scripts, has a file that an image may not have, or is packed in an unknown way.
    """
    with LayerSeries(target, LayerForm.of(definition)) as series:
        work = _Unpacking(series, [])
        for deb in debs:
            with DebArchive(deb, find(deb)) as archive:
                work.unpack(archive)
    return built(series, work.owned)


class _Unpacking(NamedTuple):
    series: LayerSeries
    owned: list[list[Owned]]

    def unpack(self, archive: DebArchive) -> None:
        files: list[str] = []
        for info, content in archive.entries():
            path = _merged(info.name.removeprefix("./").rstrip("/"))
            if not path or path == "." or _LEFT_OUT.fullmatch(path):
                continue
            _refuse(archive, info, path)
            self._write(archive, info, path, content)
            files += [] if info.isdir() else [f"/{path}"]
        head, _, tail = archive.control.partition("\n")
        self._made(archive, f"{_STATUS}/{archive.deb.name}", f"{head}\nStatus: install ok installed\n{tail}")
        self._made(archive, f"{_INFO}/{archive.deb.name}.list", "".join(f"{path}\n" for path in sorted(files)))

    def _layer(self, path: str, size: int) -> LayerFile:
        layer = self.series.layer_for(path, packed=size, plain=size)
        if len(self.series.done) == len(self.owned):
            self.owned.append([])
        return layer

    def _own(self, archive: DebArchive, path: str, digest: str) -> None:
        self.owned[-1].append(Owned(path, f"Debian's {archive.deb.name}", digest))

    def _made(self, archive: DebArchive, path: str, text: str) -> None:
        data = text.encode()
        self._layer(path, len(data)).data(path, data, mode=0o644)
        self._own(archive, path, f"sha256={hashlib.sha256(data).hexdigest()}")

    def _write(self, archive: DebArchive, info: tarfile.TarInfo, path: str, content: Iterator[bytes]) -> None:
        mode = stat.S_IMODE(info.mode)
        layer = self._layer(path, info.size)
        if info.isdir():
            layer.folder(path, uid=info.uid, gid=info.gid, mode=mode)
        elif info.issym():
            layer.link(path, info.linkname)
            self._own(archive, path, f"link to {info.linkname}")
        elif info.islnk():
            to = _merged(info.linkname.removeprefix("./"))
            if not any(owned.path == to for owned in self.owned[-1]):
                raise archive.bad(f"it is a second name of {to}, which this layer does not have", path)
            layer.link(path, to, hard=True)
            self._own(archive, path, f"second name of {to}")
        else:
            found = hashlib.sha256()
            layer.stored(path, _hashed(content, found.update), mode=mode, size=info.size, owner=(info.uid, info.gid))
            self._own(archive, path, f"sha256={found.hexdigest()}")


def _hashed(pieces: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


def _merged(path: str) -> str:
    """Return where a file lies in a base whose ``/bin`` and ``/lib`` are links into ``/usr``, as Debian's are."""
    return f"usr/{path}" if _MERGED.match(path) else path


def _refuse(archive: DebArchive, info: tarfile.TarInfo, path: str) -> None:
    if fault := path_fault(path):
        raise archive.bad(f"it has a path that an image cannot have: {fault}", path)
    if not (info.isdir() or info.isreg() or info.issym() or info.islnk()):
        raise archive.bad("it has a device or a pipe", path)
    if info.mode & (stat.S_ISUID | stat.S_ISGID) and not info.isdir():
        raise archive.bad("it has a file that runs as another user (setuid or setgid)", path)
