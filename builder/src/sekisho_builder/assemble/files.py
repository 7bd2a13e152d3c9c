"""``files`` of a definition: from its folder into the image, with the mode and the owner that it states."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sekisho.disk import disk_errors
from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.model import FileDefinition, ImageDefinition
from sekisho.store import chunks, file_sha256
from sekisho_builder.assemble.checks import path_fault
from sekisho_builder.assemble.layer import BuiltLayer, Owned, built
from sekisho_builder.assemble.layer_file import LayerFile
from sekisho_builder.assemble.layer_series import LayerForm, LayerSeries

OWNER = "the definition's `files`"


class SourceFile(NamedTuple):
    """One file to put into the image. ``to`` has no leading slash; ``sha256`` is that of its bytes."""

    path: Path
    to: str
    sha256: str
    size: int
    mode: int
    uid: int
    gid: int

    def facts(self) -> list[object]:
        """Return all that the layer's bytes depend on."""
        return [self.to, self.sha256, self.mode, self.uid, self.gid]


def read_files(definition: ImageDefinition, folder: Path | None) -> list[SourceFile]:
    """Return every file that ``files`` names in ``folder``, by its path in the image.

    Raises ``NotFoundError`` for what is not there, ``BadInputError`` for a link, for what lies outside of the folder,
    and for two that go to one place.
    """
    if folder is None:
        if definition.files:
            raise NotFoundError("the definition has files, and its folder is not known", where=definition.name)
        return []
    found: dict[str, SourceFile] = {}
    for entry in definition.files:
        for file in _read(entry, folder):
            if file.to in found:
                raise BadInputError(
                    f"two of `files` go to /{file.to}",
                    where=str(folder / "image.yaml"),
                    todo="leave one of the two out",
                )
            found[file.to] = file
    return [found[path] for path in sorted(found)]


def _read(entry: FileDefinition, folder: Path) -> Iterator[SourceFile]:
    start = folder / entry.source
    if ".." in Path(entry.source).parts or any(path.is_symlink() for path in (start, *start.parents) if path > folder):
        raise _bad("it leads out of the definition's folder, or through a link", start)
    if not start.exists():
        raise NotFoundError("`files` names what is not there", where=str(start), todo="correct `from` in image.yaml")
    uid, _, gid = entry.owner.partition(":")
    for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise _bad("it is a link, or no plain file", path)
        if path.is_dir():
            continue
        rest = path.relative_to(start).as_posix()
        to = entry.to.strip("/") + ("" if path == start else f"/{rest}")
        if fault := path_fault(to):
            raise _bad(f"/{to[:200]} cannot be a path in an image: {fault}", path)
        size = path.stat().st_size
        yield SourceFile(path, to, file_sha256(path), size, int(entry.mode, 8), int(uid), int(gid or uid))


def _bad(what: str, path: Path) -> BadInputError:
    return BadInputError(what, where=str(path), todo="put a plain file there, and name it under `files` in image.yaml")


def build_files(files: list[SourceFile], definition: ImageDefinition, target: Path) -> list[BuiltLayer]:
    """Write the layer of ``files``, or several; what is in the working folder has folders of the image's user above it.

    Raises ``CorruptError`` for a file that is not what it was when it was read first.
    """
    owned: list[list[Owned]] = []
    with LayerSeries(target, LayerForm.of(definition)) as series:
        for file in files:
            layer = series.layer_for(file.to, packed=file.size, plain=file.size)
            if len(series.done) == len(owned):
                owned.append([])
            owned[-1].append(Owned(file.to, OWNER, f"sha256={file.sha256}"))
            _keep_home(layer, file.to, definition)
            layer.stored(file.to, _same(file), mode=file.mode, size=file.size, owner=(file.uid, file.gid))
    return built(series, owned)


def _keep_home(layer: LayerFile, path: str, definition: ImageDefinition) -> None:
    """Leave the working folder, and those in it above ``path``, to the image's user: this layer names them again."""
    uid, _, gid = definition.user.partition(":")
    home = definition.workdir.strip("/").split("/")
    above = path.split("/")[:-1]
    if above[: len(home)] == home:
        for depth in range(len(home), len(above) + 1):
            layer.folder("/".join(above[:depth]), uid=int(uid), gid=int(gid or uid))


def _same(file: SourceFile) -> Iterator[bytes]:
    found = hashlib.sha256()
    with disk_errors(file.path):
        for piece in chunks(file.path):
            found.update(piece)
            yield piece
    if found.hexdigest() != file.sha256:
        raise CorruptError("the file changed while it was packed", where=str(file.path), todo="build again")
