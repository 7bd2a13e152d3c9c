"""Layers that come to disk one after the other, none larger than it may be."""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, Self

from sekisho.disk import disk_errors
from sekisho.errors import BadInputError
from sekisho.model import ImageDefinition
from sekisho_builder.assemble.in_order import InOrder
from sekisho_builder.assemble.layer_file import DeflatedLayerFile, LayerFile, PlainLayerFile

_KINDS = {"spliced": LayerFile, "plain": PlainLayerFile, "deflated": DeflatedLayerFile}


class LayerForm(NamedTuple):
    """How layers are written: ``most`` bounds each, in bytes of its gzip."""

    gzip: Literal["spliced", "plain", "deflated"]
    most: int

    @property
    def packing(self) -> "LayerForm":
        """Return the form for packages that bring no deflate streams."""
        return self._replace(gzip="deflated") if self.gzip == "spliced" else self

    @classmethod
    def of(cls, definition: ImageDefinition) -> "LayerForm":
        """Return the form that a definition states."""
        return cls(definition.gzip, definition.layer_size)


class LayerSeries:
    """As many layers as it takes: ``target``, and beside it those numbered from 1.

    A failure removes them all. ``done`` are those that are closed, which is all of them once the series is left.
    """

    def __init__(self, target: Path, form: LayerForm) -> None:
        self._target = target
        self._form = form
        self._open = ExitStack()
        self._now: LayerFile | None = None
        self.done: list[LayerFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._end()
            return
        self._open.__exit__(kind, error, None)
        for number in range(len(self.done)):
            part_path(self._target, number).unlink(missing_ok=True)

    def first(self) -> LayerFile:
        """Return the layer under way, whatever fits into it."""
        if self._now is None:
            self._now = self._open.enter_context(new_layer(part_path(self._target, len(self.done)), self._form))
        return self._now

    def layer_for(self, path: str, *, packed: int, plain: int) -> LayerFile:
        """Return the layer that has room for a file, by its size packed and unpacked.

        Raises ``BadInputError`` if no layer has.
        """
        size = packed if self._form.gzip == "spliced" else plain
        layer = self.first()
        if layer.size + layer.unpacked and not layer.fits(path, size, self._form.most):
            self._end()
            layer = self.first()
        if not layer.fits(path, size, self._form.most):
            raise BadInputError(
                f"the file alone has {size} bytes, and a layer may have {self._form.most}",
                where=f"/{path}",
                todo="raise `layer-size` in image.yaml",
            )
        return layer

    def _end(self) -> None:
        if self._now is not None:
            now, self._now = self._now, None
            self._open.close()
            self.done.append(now)


def part_path(target: Path, number: int) -> Path:
    """Return where a layer of a series is; the first is at ``target`` itself."""
    return target.with_name(f"{number}.{target.name}") if number else target


@contextmanager
def new_layer(target: Path, form: LayerForm) -> Iterator[LayerFile]:
    """Yield a layer to fill; afterwards it is at ``target``, whole and on the disk, or nothing is."""
    half = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    kind = _KINDS[form.gzip]
    try:
        with disk_errors(target), half.open("wb", buffering=1 << 20) as file, InOrder() as aside:
            layer = kind(file, aside)
            yield layer
            layer.close()
            file.flush()
            os.fsync(file.fileno())
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
