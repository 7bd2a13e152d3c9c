"""Lock and base → image. The only compressor is the one that packed the wheels."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sekisho.errors import BadInputError, SekishoError
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, Record, Sha256
from sekisho_builder.assemble.image_config import annotations, image_config
from sekisho_builder.assemble.layer import BuiltLayer, Owned, Package, build_layer, refuse_clash, refuse_covered
from sekisho_builder.assemble.layer_cache import LayerCache, layer_key
from sekisho_builder.assemble.layer_plan import plan_layers
from sekisho_builder.assemble.skeleton import build_skeleton
from sekisho_builder.assemble.wheel import Environment
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, Layout, oci_type, write_layout

Wheels = Callable[[Artifact], Path]
"""Returns where an artifact's file is on this machine."""

Progress = Callable[[int, int], None]
"""Told (bytes of wheels done, bytes of wheels in all)."""

_ALONE = 4_000_000
"""Below so many bytes of wheels, starting processes costs more than it saves."""

_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PREFIX = 127 - len("#!/bin/python")
_MOST = 2


class AssembledLayer(Record):
    """One layer of an assembled image. ``packages`` is empty for the base's layers and the skeleton."""

    sha256: Sha256
    size: int
    packages: tuple[str, ...] = ()
    reused: bool


class Assembled(Record):
    """What an assembly made.

    ``size`` is in bytes and counts manifest, config and every layer; ``built`` and ``reused`` count layers above the
    base.
    """

    manifest: Sha256
    size: int
    built: int
    reused: int
    layers: tuple[AssembledLayer, ...]


class _Step(NamedTuple):
    """One layer to have: its name in the cache, and what goes into it."""

    key: str
    artifacts: list[Artifact]


def assemble(
    definition: ImageDefinition,
    lock: Lock,
    base: Layout,
    wheels: Wheels,
    *,
    cache: Path,
    out: Path,
    progress: Progress = lambda _done, _total: None,
) -> Assembled:
    """Write the image of ``definition`` and ``lock`` on ``base`` into ``out``, an OCI layout.

    ``wheels`` is only asked for what no kept layer in ``cache`` holds. The result depends on the arguments' content
    alone: the same digest on every machine. Raises what ``build_layer`` raises, and ``BadInputError`` for a
    definition that does not fit its lock.
    """
    _check(definition, lock)
    kept = LayerCache(cache)
    environment = Environment(definition.prefix.strip("/"), ".".join(map(str, definition.target.python_minor)))
    direct = {str(canonicalize_name(Requirement(text).name)) for text in lock.direct}
    planned = plan_layers(lock.artifacts, layers=definition.layers, large=definition.large_package)
    steps = [_Step(_key(definition, artifacts, direct), artifacts) for artifacts in planned]
    have = {step.key: layer for step in steps if (layer := kept.get(step.key))}
    missing = [step for step in steps if step.key not in have]
    total = _bytes(steps)
    done = total - _bytes(missing)
    progress(done, total)
    made: dict[str, BuiltLayer] = {}
    for step, layer in _build(missing, direct, environment, wheels, kept):
        kept.keep(step.key, layer)
        made[step.key] = layer
        done += _bytes([step])
        progress(done, total)
    skeleton, skeleton_reused = _skeleton(definition, kept)
    layers = have | made
    refuse_clashes([skeleton[1], *(layers[step.key] for step in steps)])
    ours = [_oci_layer(kept.path(skeleton[0]), skeleton[1], "virtual environment")]
    ours += [_oci_layer(kept.path(s.key), layers[s.key], ", ".join(a.name for a in s.artifacts)) for s in steps]
    layout = write_layout(
        out, [*_base_layers(base), *ours], image_config(definition, base.config), annotations(definition, lock, base)
    )
    above = [_report(ours[0], [], reused=skeleton_reused)]
    above += [_report(layer, s.artifacts, reused=s.key in have) for layer, s in zip(ours[1:], steps, strict=True)]
    return Assembled(
        manifest=layout.manifest_sha256,
        size=layout.size,
        built=sum(not layer.reused for layer in above),
        reused=sum(layer.reused for layer in above),
        layers=(*(_report(layer, [], reused=True) for layer in _base_layers(base)), *above),
    )


def refuse_clashes(layers: Iterable[BuiltLayer]) -> None:
    """Raise ``BadInputError`` if packages of different layers put different things at one path."""
    paths: dict[str, Owned] = {}
    for layer in layers:
        for owned in layer.owned:
            refuse_clash(paths.setdefault(owned.path, owned), owned)
    refuse_covered(paths)


def _check(definition: ImageDefinition, lock: Lock) -> None:
    where = f"images/{definition.name}/image.yaml"
    if definition.target != lock.target:
        raise BadInputError(f"the lock is for {lock.target}, not {definition.target}", where=where, todo="lock anew")
    for path in (definition.prefix, definition.workdir):
        parts = path.strip("/").split("/")
        if {"", ".", ".."} & set(parts) or parts[0] in _LINKS or any(part.startswith(".wh.") for part in parts):
            raise BadInputError(f"{path} cannot be a folder of an image", where=where, todo="take one as /opt/venv")
    if len(definition.prefix) > _PREFIX or not definition.prefix.isascii() or " " in definition.prefix:
        raise BadInputError("the prefix does not fit into the first line of a script", where=where)
    foreign = [artifact.name for artifact in lock.artifacts if not artifact.filename.endswith(".whl")]
    if foreign:
        raise BadInputError(f"{foreign[0]} is no wheel", where=where, todo="lock wheels only")


def _key(definition: ImageDefinition, artifacts: list[Artifact], direct: set[str]) -> str:
    """Return the cache's name for a layer: everything that its bytes depend on."""
    rows = [[a.project, a.release, a.sha256, a.project in direct] for a in artifacts]
    return layer_key(definition.prefix.strip("/"), definition.target.plain(), rows)


def _skeleton(definition: ImageDefinition, kept: LayerCache) -> tuple[tuple[str, BuiltLayer], bool]:
    key = layer_key("skeleton", definition.prefix, definition.target.plain(), definition.user, definition.workdir)
    found = kept.get(key)
    if found is not None:
        return (key, found), True
    layer = build_skeleton(definition, kept.path(key))
    kept.keep(key, layer)
    return (key, layer), False


def _build(
    steps: list[_Step], direct: set[str], environment: Environment, wheels: Wheels, kept: LayerCache
) -> Iterator[tuple[_Step, BuiltLayer]]:
    """Yield layers as they are ready, the heaviest begun first."""
    heavy = sorted(steps, key=lambda step: -_bytes([step]))
    jobs = ((step, _packages(step.artifacts, direct, wheels)) for step in heavy)
    if len(steps) < _MOST or _bytes(steps) < _ALONE:
        for step, packages in jobs:
            yield step, build_layer(packages, environment, kept.path(step.key))
        return
    with ProcessPoolExecutor(_MOST, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[BuiltLayer], _Step] = {}
        try:
            for step, packages in jobs:
                running[pool.submit(build_layer, packages, environment, kept.path(step.key))] = step
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool as error:
            raise SekishoError(
                "a process that was packing layers died", todo="see that memory is free, and run the same command again"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _bytes(steps: Iterable[_Step]) -> int:
    return sum(artifact.size for step in steps for artifact in step.artifacts)


def _packages(artifacts: list[Artifact], direct: set[str], wheels: Wheels) -> list[Package]:
    return [Package(a.project, a.release, a.filename, a.sha256, a.project in direct, wheels(a)) for a in artifacts]


def _base_layers(base: Layout) -> list[Layer]:
    diff_ids = base.config.get("rootfs", {}).get("diff_ids", [])
    rows = base.layers
    if len(diff_ids) != len(rows):
        raise BadInputError("the base's config and manifest differ in their layers", where=str(base.folder))
    return [
        Layer(base.blob(row.sha256), row._replace(media_type=oci_type(row.media_type)), diff.partition(":")[2], "base")
        for row, diff in zip(rows, diff_ids, strict=True)
    ]


def _oci_layer(file: Path, layer: BuiltLayer, comment: str) -> Layer:
    return Layer(file, Descriptor(LAYER, layer.digest, layer.size), layer.diff_id, f"sekisho: {comment}")


def _report(layer: Layer, artifacts: list[Artifact], *, reused: bool) -> AssembledLayer:
    return AssembledLayer(
        sha256=layer.descriptor.sha256,
        size=layer.descriptor.size,
        packages=tuple(artifact.name for artifact in artifacts),
        reused=reused,
    )
