"""All that is in an image's layers, read in one pass for every gate that looks at files."""

import multiprocessing
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from pathlib import Path

from sekisho.errors import BadInputError, SekishoError
from sekisho_builder.oci.layout import LAYER, Descriptor, Layout, oci_type
from sekisho_builder.reading.entries import Entry
from sekisho_builder.reading.layer import Limits, ReadLayer, Wanted, read_layer
from sekisho_builder.reading.texts import wanted

_TAR = "application/vnd.oci.image.layer.v1.tar"
_ALONE = 4_000_000
"""Below so many packed bytes, starting processes costs more than it saves."""

_AT_ONCE = 2
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"

_Job = tuple[Path, str, Limits, Wanted, frozenset[str]]


class Contents:
    """The layers of one image, lowest first, and what they make when they lie on each other."""

    def __init__(self, layers: tuple[ReadLayer, ...]) -> None:
        self.layers = layers

    @property
    def unpacked(self) -> int:
        """Return the bytes that all layers unpack to."""
        return sum(layer.unpacked for layer in self.layers)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Yield every entry with the number of its layer, also what an upper layer hides: it can still be had."""
        for number, layer in enumerate(self.layers):
            for entry in layer.entries:
                yield number, entry

    @cached_property
    def seen(self) -> Mapping[str, tuple[int, Entry]]:
        """Return what a container sees by path (image-spec, layer.md): upper layers over lower ones."""
        found: dict[str, tuple[int, Entry]] = {}
        folders: set[str] = set()
        for number, layer in enumerate(self.layers):
            _take_away(found, layer)
            for entry in layer.entries:
                if entry.path.rpartition("/")[2].startswith(_WHITEOUT):
                    continue
                if entry.kind != "folder" and entry.path in folders:
                    _remove(found, entry.path)
                found[entry.path] = number, entry
                above = entry.path
                while (above := above.rpartition("/")[0]) and above not in folders:
                    folders.add(above)
        return found

    def text(self, path: str) -> bytes | None:
        """Return the text that a container sees at a path, if it was kept; links are followed."""
        real = self.real(path)
        number, entry = self.seen.get(real, (0, None))
        return None if entry is None else self.layers[number].texts.get(entry.path)

    def texts(self, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (path, text) of what a container sees and whose path matches wholly."""
        for path, (number, entry) in sorted(self.seen.items()):
            if entry.kind == "file" and pattern.fullmatch(path) and path in self.layers[number].texts:
                yield path, self.layers[number].texts[path]

    def real(self, path: str) -> str:
        """Follow links, in every part of a path, as far as they lead; never out of the image."""
        left = [part for part in reversed(path.split("/")) if part not in {"", "."}]
        at: list[str] = []
        for _ in range(400):
            if not left:
                break
            part = left.pop()
            if part == "..":
                at = at[:-1]
                continue
            entry = self.seen.get("/".join((*at, part)), (0, None))[1]
            if entry is None or entry.kind not in {"link", "hard link"}:
                at.append(part)
                continue
            if entry.kind == "hard link" or entry.target.startswith("/"):
                at = []
            left += [piece for piece in reversed(entry.target.split("/")) if piece not in {"", "."}]
        return "/".join(at)


def _take_away(found: dict[str, tuple[int, Entry]], layer: ReadLayer) -> None:
    """Remove what a layer's whiteouts hide of the layers below it."""
    for entry in layer.entries:
        folder, _, name = entry.path.rpartition("/")
        if name == _OPAQUE:
            _remove(found, folder, itself=False)
        elif name.startswith(_WHITEOUT):
            _remove(found, f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/"))


def _remove(found: dict[str, tuple[int, Entry]], path: str, *, itself: bool = True) -> None:
    inside = f"{path}/" if path else ""
    for one in [one for one in found if one.startswith(inside) or (itself and one == path)]:
        del found[one]


def read_contents(layout: Layout, unpacked: int, unwatched: frozenset[str] = frozenset(), *, own: int = 0) -> Contents:
    """Read every layer, two at once; raise ``CorruptError`` for the first that cannot be believed.

    ``unpacked`` bounds the bytes that all layers together may unpack to. See ``read_layer`` for ``unwatched``, which
    counts from the layer with the number ``own`` on: of what is below them, every file is looked into.
    """
    rows = layout.layers
    for row in rows:
        if oci_type(row.media_type) not in {LAYER, _TAR}:
            raise BadInputError(
                f"a layer is of the type {row.media_type}, which the gates cannot read",
                where=f"layer sha256:{row.sha256}",
                todo="take a base whose layers are packed by gzip",
            )
    limits = Limits(unpacked)
    jobs: list[_Job] = [
        (layout.blob(row.sha256), row.sha256, limits, wanted, unwatched if number >= own else frozenset())
        for number, row in enumerate(rows)
    ]
    small = sum(row.size for row in rows) < _ALONE
    found = [read_layer(*job) for job in jobs] if small else _in_processes(rows, jobs)
    contents = Contents(tuple(found))
    if contents.unpacked > unpacked:
        raise BadInputError(
            f"the image unpacks to {contents.unpacked} bytes, more than {unpacked}",
            where="budget",
            todo="raise `budget.unpacked` in image.yaml if that is meant",
        )
    return contents


def _in_processes(rows: list[Descriptor], jobs: list[_Job]) -> list[ReadLayer]:
    heavy = sorted(range(len(jobs)), key=lambda number: -rows[number].size)
    with ProcessPoolExecutor(_AT_ONCE, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {number: pool.submit(read_layer, *jobs[number]) for number in heavy}
        try:
            return [running[number].result() for number in range(len(jobs))]
        except BrokenProcessPool as error:
            raise SekishoError(
                "a process that was reading layers died", todo="see that memory is free, and run the same command again"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
