"""Conda packages become layers: unpacked, their placeholders replaced, and packed by a compressor that is pinned."""

from collections.abc import Iterator
from pathlib import Path

from sekisho_builder.assemble.conda_archive import CondaArchive, CondaPackage
from sekisho_builder.assemble.conda_lay import Laid, lay
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.layer import BuiltLayer, Owned, built, refuse_clash
from sekisho_builder.assemble.layer_series import LayerForm, LayerSeries
from sekisho_builder.assemble.wheel import unpadded


def build_conda(
    packages: list[CondaPackage], environment: Environment, form: LayerForm, target: Path
) -> list[BuiltLayer]:
    """Write the layer of ``packages`` to ``target``, whole or not at all; more than one where one would be too large.

    Memory does not grow with the size of a package, only with how many files it has. Raises what ``CondaArchive`` and
    ``lay`` raise, and ``BadInputError`` for two that put different things at one path.
    """
    with LayerSeries(target, form.packing) as series:
        writing = CondaWriting(series)
        for package in sorted(packages, key=lambda package: package.parts.name):
            for _ in writing.write(package, environment):
                pass
    return built(series, writing.owned)


class CondaWriting:
    """Packages on their way into a series of layers. ``owned`` is what lies in each of them."""

    def __init__(self, series: LayerSeries) -> None:
        self._series = series
        self._paths: dict[str, Owned] = {}
        self.owned: list[list[Owned]] = []

    def write(self, package: CondaPackage, environment: Environment) -> Iterator[Laid]:
        """Write a package, yielding each thing after it was written."""
        title = f"conda's {package.parts.name}"
        with CondaArchive(package) as archive:
            for laid in lay(archive, environment):
                self._one(archive, laid, title)
                yield laid

    def _one(self, archive: CondaArchive, laid: Laid, title: str) -> None:
        other = self._paths.get(laid.path)
        if other is not None and laid.kind != "folder":
            for _ in laid.content:
                pass
            refuse_clash(other, Owned(laid.path, title, _digest(laid)))
            return  # the same bytes are there
        layer = self._series.layer_for(laid.path, packed=laid.size, plain=laid.size)
        if len(self._series.done) == len(self.owned):
            self.owned.append([])
            self._paths = {}
        if laid.kind == "folder":
            layer.folder(laid.path)
            return
        if laid.kind == "link":
            layer.link(laid.path, laid.target)
        elif laid.kind == "hard link":
            if laid.target not in self._paths:
                raise archive.bad(f"it is a second name of /{laid.target}, which is in another layer", laid.path)
            layer.link(laid.path, laid.target, hard=True)
        else:
            layer.stored(laid.path, laid.content, mode=laid.mode, size=laid.size)
        owned = Owned(laid.path, title, _digest(laid))
        self._paths[laid.path] = owned
        self.owned[-1].append(owned)


def _digest(laid: Laid) -> str:
    """Return what two packages must agree on at one path; of a file that was read, in RECORD's words."""
    return f"sha256={unpadded(bytes.fromhex(laid.sha256))}" if laid.kind == "file" else f"{laid.kind} to {laid.target}"
