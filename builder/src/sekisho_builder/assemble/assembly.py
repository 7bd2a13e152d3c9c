"""Lock and base → image. Wheels stay as their own compressor packed them; what conda packages hold is packed anew."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sekisho.errors import BadInputError, NotFoundError, SekishoError
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, Record, Sha256
from sekisho_builder.assemble.activation import stated_variables
from sekisho_builder.assemble.checks import check
from sekisho_builder.assemble.debian_layers import Debs, build_debian, plan_debs
from sekisho_builder.assemble.files import SourceFile, build_files, read_files
from sekisho_builder.assemble.image_config import annotations, created, image_config
from sekisho_builder.assemble.layer import BuiltLayer, Owned, refuse_clash, refuse_covered
from sekisho_builder.assemble.layer_cache import LayerCache, layer_key
from sekisho_builder.assemble.layer_plan import plan_layers
from sekisho_builder.assemble.layer_series import LayerForm
from sekisho_builder.assemble.planning import Job, Planning, Wheels
from sekisho_builder.assemble.skeleton import build_skeleton
from sekisho_builder.base.debian_choice import refuse_held
from sekisho_builder.base.debian_lock import DebianLock, LockedDeb, read_debian_lock
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, Layout, oci_type, write_layout

Progress = Callable[[int, int], None]
"""Told (bytes of packages done, bytes of packages in all)."""

_ALONE = 4_000_000
"""Below so many bytes of packages, starting processes costs more than it saves."""

_MOST_LAYERS = 127
"""What containerd and Docker's overlay driver can stack."""

_PROCESSES = 2


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
    """Layers to have: their name in the cache, and what goes into them."""

    key: str
    artifacts: list[Artifact]


class _Had(NamedTuple):
    """Layers that are there: what their line of history says, and whether the cache had them."""

    key: str
    layers: list[BuiltLayer]
    comment: str
    packages: tuple[str, ...]
    reused: bool


def assemble(
    definition: ImageDefinition,
    lock: Lock,
    base: Layout,
    wheels: Wheels,
    *,
    cache: Path,
    out: Path,
    folder: Path | None = None,
    debs: Debs | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Assembled:
    """Write the image of ``definition`` and ``lock`` on ``base`` into ``out``, an OCI layout.

    ``wheels`` and ``debs`` are only asked for what no kept layer in ``cache`` holds; ``folder`` is the definition's,
    where its ``files`` and the lock of its Debian packages are. The result depends on the arguments' content alone:
    the same digest on every machine. Raises what ``build_layers``, ``build_debian`` and ``read_files`` raise, and
    ``BadInputError`` for what does not fit together.
    """
    check(definition, lock, base)
    kept = LayerCache(cache)
    files = read_files(definition, folder)
    debian = read_debian_lock(definition, folder)
    refuse_held(debian.debs, base, where=f"images/{definition.name}/debian.lock")
    skeleton = _made_here(kept, _skeleton_key(definition), "virtual environment", partial(_skeleton, definition))
    above = _made_here(kept, _files_key(definition, files), "files", partial(build_files, files, definition))
    packages = _packages_layers(definition, lock, wheels, kept, progress)
    steps = [*_debian(definition, debian, debs, kept), *skeleton, *packages, *(above if files else ())]
    refuse_clashes(layer for step in steps for layer in step.layers)
    ours = [_oci_layer(kept.path(s.key, n), layer, s.comment) for s in steps for n, layer in enumerate(s.layers)]
    layers = [*_base_layers(base), *ours]
    if len(layers) > _MOST_LAYERS:
        raise BadInputError(
            f"the image would have {len(layers)} layers, and engines stack {_MOST_LAYERS}",
            where=f"images/{definition.name}/image.yaml",
            todo="lower `layers`, or raise `layer-size`",
        )
    told = annotations(definition, lock, base, debian)
    files_of = ((kept.path(step.key, n), layer) for step in steps for n, layer in enumerate(step.layers))
    stated = stated_variables(definition.prefix, files_of, definition.environment) if definition.conda else {}
    layout = write_layout(out, layers, image_config(definition, told, base, stated), told)
    said = [step for step in steps for _ in step.layers]
    reports = [_report(layer, s.packages, reused=s.reused) for layer, s in zip(ours, said, strict=True)]
    return Assembled(
        manifest=layout.manifest_sha256,
        size=layout.size,
        built=sum(not layer.reused for layer in reports),
        reused=sum(layer.reused for layer in reports),
        layers=(*(_report(layer, (), reused=True) for layer in _base_layers(base)), *reports),
    )


def refuse_clashes(layers: Iterable[BuiltLayer]) -> None:
    """Raise ``BadInputError`` if packages of different layers put different things at one path."""
    paths: dict[str, Owned] = {}
    for layer in layers:
        for owned in layer.owned:
            refuse_clash(paths.setdefault(owned.path, owned), owned)
    refuse_covered(paths)


def _packages_layers(
    definition: ImageDefinition, lock: Lock, wheels: Wheels, kept: LayerCache, progress: Progress
) -> list[_Had]:
    """Return the packages' layers, those that the cache lacks built."""
    planning = Planning.of(definition, lock)
    planned = plan_layers(lock.artifacts, layers=definition.layers, large=definition.large_package)
    steps = [_Step(planning.key(artifacts), artifacts) for artifacts in planned]
    have = {step.key: layers for step in steps if (layers := kept.get(step.key))}
    missing = [step for step in steps if step.key not in have]
    total = _bytes(steps)
    done = total - _bytes(missing)
    progress(done, total)
    made: dict[str, list[BuiltLayer]] = {}
    for step, layers in _build(missing, lambda step: planning.job(step.artifacts, wheels, kept.path(step.key))):
        kept.keep(step.key, layers)
        made[step.key] = layers
        done += _bytes([step])
        progress(done, total)
    found = have | made
    named = {step.key: tuple(artifact.name for artifact in step.artifacts) for step in steps}
    return [_Had(s.key, found[s.key], ", ".join(named[s.key]), named[s.key], s.key in have) for s in steps]


def _skeleton_key(definition: ImageDefinition) -> str:
    told = (definition.prefix, definition.target.plain(), definition.user, definition.workdir)
    conda = (definition.conda, created(definition)) if definition.conda else ()
    return layer_key("skeleton", *told, LayerForm.of(definition), *conda)


def _files_key(definition: ImageDefinition, files: list[SourceFile]) -> str:
    told = (definition.user, definition.workdir, [file.facts() for file in files])
    return layer_key("files", *told, LayerForm.of(definition))


def _debian(definition: ImageDefinition, lock: DebianLock, debs: Debs | None, kept: LayerCache) -> Iterator[_Had]:
    for some in plan_debs(lock.debs, large=definition.large_package):
        key = layer_key("debian", [deb.line() for deb in some], LayerForm.of(definition))
        comment = f"Debian's {', '.join(f'{deb.name} {deb.version}' for deb in some)}"
        yield from _made_here(kept, key, comment, partial(build_debian, some, debs or _no_debs, definition))


def _no_debs(deb: LockedDeb) -> Path:
    raise NotFoundError(f"the Debian package {deb.name} {deb.version} is not here", where=deb.path)


def _skeleton(definition: ImageDefinition, target: Path) -> list[BuiltLayer]:
    return [build_skeleton(definition, target)]


def _made_here(kept: LayerCache, key: str, comment: str, build: Callable[[Path], list[BuiltLayer]]) -> Iterator[_Had]:
    """Yield what the cache has under ``key``, built if it has nothing."""
    found = kept.get(key)
    layers = build(kept.path(key)) if found is None else found
    if found is None:
        kept.keep(key, layers)
    yield _Had(key, layers, comment, (), found is not None)


def _build(steps: list[_Step], job_of: Callable[[_Step], Job]) -> Iterator[tuple[_Step, list[BuiltLayer]]]:
    """Yield layers as they are ready, the heaviest begun first."""
    heavy = sorted(steps, key=lambda step: -_bytes([step]))
    jobs = ((step, job_of(step)) for step in heavy)
    if len(steps) < _PROCESSES or _bytes(steps) < _ALONE:
        for step, job in jobs:
            yield step, job()
        return
    with ProcessPoolExecutor(_PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[list[BuiltLayer]], _Step] = {}
        try:
            for step, job in jobs:
                running[pool.submit(job)] = step
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


def _report(layer: Layer, packages: tuple[str, ...], *, reused: bool) -> AssembledLayer:
    return AssembledLayer(sha256=layer.descriptor.sha256, size=layer.descriptor.size, packages=packages, reused=reused)
