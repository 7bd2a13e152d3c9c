"""What a rebase would do: which images stand on which base, and whether a new one can carry their packages. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from sekisho.errors import BadInputError, ConflictError, RefusedError, SekishoError
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, needs_of, spec_name
from sekisho_builder.base.inside import Inside
from sekisho_builder.oci.layout import ARCHITECTURES

Outcome = Literal["done", "unchanged", "failed-gate", "refused", "failed"]
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_\w+")
_AT_LEAST = re.compile(r">=(\d+)\.(\d+)")
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


class Standing(NamedTuple):
    """An image that was delivered: the request that it came from, its manifest's and its base's sha256, its layers.

    ``context`` is the digest of what its Dockerfile was built from, if it has one.
    """

    image: str
    workspace: str
    request: str
    manifest: str
    base: str
    layers: tuple[str, ...]
    context: str | None = None


class Rebased(NamedTuple):
    """How it went with one image. ``manifest`` is that of the image that is now in force; ``why`` is for people."""

    image: str
    workspace: str
    request: str
    outcome: Outcome
    base: str
    manifest: str
    why: str = ""


def standing_images(statuses: Iterable[Mapping[str, Any]]) -> list[Standing]:
    """Return of each image, in each workspace, what was delivered last; ``statuses`` are the portal's."""
    newest: dict[tuple[str, str], tuple[int, Standing]] = {}
    for status in statuses:
        name = status["request"].get("image")
        if status["state"] != "delivered" or not name:
            continue
        at = max(event["seq"] for event in status["events"] if event["kind"] == "delivered")
        assembly, workspace = status["assembly"], status["request"].get("workspace", "everyone")
        layers = tuple(layer["sha256"] for layer in assembly["layers"])
        base = assembly["base"]["manifest"]
        found = Standing(name, workspace, status["id"], status["image"]["manifest"], base, layers, context_of(assembly))
        if at > newest.get((name, workspace), (0, found))[0]:
            newest[name, workspace] = at, found
    return [found for _, (_, found) in sorted(newest.items())]


def chosen(standing: Sequence[Standing], names: Sequence[str]) -> list[Standing]:
    """Return the images of these names, all without any; raise ``BadInputError`` for one that was never delivered."""
    known = {one.image for one in standing}
    for name in names:
        if name not in known:
            raise BadInputError(
                f"no image {name!r} was delivered",
                todo=f"name one of {', '.join(sorted(known)) or '(none)'}, or ask for it: `sekisho request --image`",
            )
    return [one for one in standing if not names or one.image in names]


def check_reviewed(image: Standing, debian: str | None, relocked: str | None) -> None:
    """Raise ``RefusedError`` if the base has other Debian packages than somebody locked: nobody looks on."""
    if relocked is not None:
        raise RefusedError(
            "the mirror no longer has what the base's packages.lock asks for",
            where=f"images/{debian}/packages.lock",
            todo=f"run `sekisho builder base {image.image}`, review and commit the lock, and rebase again",
        )


def check_base(definition: ImageDefinition, lock: Lock, inside: Inside) -> None:
    """Raise ``RefusedError`` unless the packages of a lock can run on a base.

    It must be for the same platform, have the same Python 3.x, and a glibc that is not older than the newest one that
    a wheel was built for (PEP 600).
    """
    target = definition.target
    platform = (target.os, ARCHITECTURES[target.arch])
    if (inside.os, inside.architecture) != platform:
        raise _refused(definition, f"is for {inside.os} on {inside.architecture}, not {' on '.join(platform)}")
    if not definition.conda and inside.python != target.python_minor:
        found = ".".join(map(str, inside.python)) if inside.python else "none at /usr/bin/python3"
        raise _refused(definition, f"has Python {found}, and the packages are for {target.python}")
    if inside.glibc is None:
        raise _refused(definition, "has no GNU C library")
    floor, wheel = glibc_floor(lock)
    if inside.glibc < floor:
        raise _refused(
            definition,
            f"has glibc {'.'.join(map(str, inside.glibc))}, and {wheel} needs {'.'.join(map(str, floor))} or newer",
        )


def _refused(definition: ImageDefinition, what: str) -> RefusedError:
    return RefusedError(
        f"the new base {what}",
        where=f"images/{definition.name}/image.yaml",
        todo="take a patched base of the same line, or change `target` and ask for the image anew",
    )


def glibc_floor(lock: Lock) -> tuple[tuple[int, int], str]:
    """Return the newest glibc that a package of the lock needs, and which one does; (0, 0) if none needs any."""
    floors = [(_floor(artifact.filename), artifact.name) for artifact in lock.of("pypi")]
    floors += [(_conda_floor(artifact), artifact.name) for artifact in lock.of("conda")]
    return max(floors, default=((0, 0), ""))


def _conda_floor(artifact: Artifact) -> tuple[int, int]:
    """Return the glibc that a conda package needs, as it says itself: ``__glibc >=2.17`` (CEP 30)."""
    specs = [spec for spec in needs_of(artifact) if spec_name(spec) == "__glibc"]
    found = [(int(match[1]), int(match[2])) for spec in specs for match in _AT_LEAST.finditer(spec)]
    return max(found, default=(0, 0))


def _floor(filename: str) -> tuple[int, int]:
    """Return the glibc that a wheel needs: the oldest of its tags, since any one that fits is enough."""
    try:
        platforms = {tag.platform for tag in parse_wheel_filename(filename)[3]}
    except InvalidWheelFilename as error:
        raise BadInputError(f"{filename[:200]} is no wheel", where="lock") from error
    found = [(int(match[1]), int(match[2])) for platform in platforms if (match := _MANYLINUX.fullmatch(platform))]
    found += [version for platform in platforms for old, version in _LEGACY.items() if platform.startswith(f"{old}_")]
    return min(found, default=(0, 0))


def context_of(assembly: Mapping[str, Any]) -> str | None:
    """Return the digest of what an image's Dockerfile was built from, nothing without one."""
    return (assembly.get("dockerfile") or {}).get("context")


def check_dockerfile(before: Standing, context: str | None) -> None:
    """Raise ``RefusedError`` unless the Dockerfile, and all that it may copy, are those of the last delivery."""
    if before.context != context:
        raise RefusedError(
            "its Dockerfile, or what lies beside it, is not what was delivered",
            where=f"images/{before.image}",
            todo=f"ask again with `sekisho request --image {before.image}`",
        )


def check_layers(before: Standing, after: Sequence[str], base: int) -> None:
    """Raise ``RefusedError`` unless the layers above the base are those of before, byte for byte.

    ``after`` are the new image's layers, of which the first ``base`` are the new base's.
    """
    above = tuple(after[base:])
    if before.layers[-len(above) :] != above or len(before.layers) <= len(above):
        raise RefusedError(
            "the builder would make other package layers than those that were gated",
            where=f"image {before.image}",
            todo=f"ask again with `sekisho request --image {before.image}`",
        )


def outcome_of(error: SekishoError, gates: Mapping[str, Any] | None) -> Outcome:
    """Return what an error makes of an image: a gate stopped it, a rule refused it, or something outside failed."""
    if gates and any(gate["status"] == "failed" for gate in gates["gates"]):
        return "failed-gate"
    return "refused" if isinstance(error, RefusedError | BadInputError | ConflictError) else "failed"
