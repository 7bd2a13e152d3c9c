"""From what a person hands in to the body of a request, with all that was inferred."""

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from sekisho.channels import settle
from sekisho.cli.clients.door import Place
from sekisho.cli.described import for_builds
from sekisho.cli.inferred import infer_beside, infer_target, target_of
from sekisho.client import PortalClient
from sekisho.definitions import read_definition
from sekisho.errors import BadInputError
from sekisho.model import spec_name
from sekisho.model.target import SUBDIRS
from sekisho.settings import Settings
from sekisho.wanted import Choice, Named, Wanted, read_spec, read_wanted
from sekisho.wanted.value import read_requirement, together

_OF_TARGETS = frozenset({"python", "pip"})


class OfChannels(NamedTuple):
    """What is asked of channels on the command line, and what tells which channels there are: id and address."""

    specs: tuple[str, ...]
    channels: tuple[str, ...]
    known: Callable[[], dict[str, str]]


def declared(portal: PortalClient) -> dict[str, str]:
    """Return the channels that a portal's sources declare: id and address."""
    return {row["id"]: row["url"] or "" for row in portal.sources() if row["kind"] == "conda"}


class Asked(NamedTuple):
    """The body of a request, and what a person is shown of how it came about."""

    body: dict[str, Any]
    seen: list[str]


def from_definition(settings: Settings, image: str) -> Asked:
    """Ask for everything that an image definition needs."""
    definition = read_definition(settings.images, image)
    body: dict[str, Any] = {
        "image": image,
        "target": definition.target.plain(),
        "requirements": list(definition.requirements),
    }
    if definition.conda:
        body |= {"conda": list(definition.conda), "channels": list(definition.channels)}
    said = definition.plain()
    body |= {key: said[key] for key in ("extra_build_dependencies", "extra_build_variables") if key in said}
    if definition.resolve_before:
        body["resolve_before"] = definition.resolve_before.isoformat()
    return Asked(body, [f"image: {image}", f"target: {definition.target} (its definition)", *for_builds(body)])


def from_words(
    settings: Settings,
    place: Place,
    names: Sequence[str],
    files: Sequence[Path],
    choice: Choice,
    named: Mapping[str, str | None],
    of_channels: OfChannels,
) -> Asked:
    """Ask for what is named and what files hold; raise ``BadInputError`` where that comes to nothing."""
    if not (names or files or of_channels.specs):
        raise click.UsageError("name at least one package, a requirements file or an image")
    here = "the command line"
    typed = Wanted(
        requirements=tuple(str(read_requirement(name, where=here)) for name in names),
        conda=tuple(Named(read_spec(text, where=here), here) for text in of_channels.specs),
        channels=tuple(Named(text, here) for text in of_channels.channels),
    )
    subdir = SUBDIRS[named["arch"] or _here()]
    wanted = together([typed, *(read_wanted(path, choice, subdir=subdir) for path in files)])
    specs, channels = _settled(wanted, of_channels)
    if not wanted.requirements and not specs:
        raise _nothing(files)
    beside = infer_beside(settings, named["beside"])
    target = target_of(settings, named["beside"]) if named["beside"] and not named["python"] else None
    target = target or infer_target(named["python"], named["glibc"], named["arch"] or wanted.arch, wanted.python, place)
    body: dict[str, Any] = {"requirements": list(wanted.requirements), "target": target.value.plain()}
    body |= {key: value for key, value in (("conda", specs), ("channels", channels)) if value}
    bound = {
        "constraints": list(wanted.constraints),
        "hashes": {name: list(row) for name, row in wanted.hashes.items()},
        "extra_build_dependencies": dict(wanted.extra_dependencies),
        "extra_build_variables": dict(wanted.extra_variables),
    }
    body |= {key: value for key, value in bound.items() if value}
    if beside:
        body["beside"] = beside.value
    return Asked(
        body,
        [
            f"target: {target.value} ({target.seen}); another with --python, --glibc, --arch",
            *([f"beside: image {beside.value} ({beside.seen}); another with --beside"] if beside else []),
            *_told(wanted, specs, channels, of_channels),
            *for_builds(body),
        ],
    )


def _here() -> str:
    """Return the processor of this machine, if a target may have it."""
    return "aarch64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"


def _settled(wanted: Wanted, of_channels: OfChannels) -> tuple[list[str], list[str]]:
    """Return match specs and channels with ids of sources; the portal is asked for those only where it matters.

    Where no source is a channel, a file that asks channels for Python and pip alone is met by the target.
    """
    if not wanted.conda:
        return [], []
    known = of_channels.known()
    if not known and all(spec_name(row.text.rpartition("::")[2]) in _OF_TARGETS for row in wanted.conda):
        return [], []
    if not known:
        raise BadInputError(
            f"no source is a channel, and {len(wanted.conda)} packages of channels are asked for",
            where=wanted.conda[0].where,
            todo="have a source of kind conda added (docs/how-to/sources.md), or put what an index has into the file's"
            " pip section",
        )
    return settle(wanted, known)


def _nothing(files: Sequence[Path]) -> BadInputError:
    where = ", ".join(map(str, files))
    return BadInputError("nothing is asked for", where=where, todo="name a package in it, or an --extra or a --group")


def _told(wanted: Wanted, specs: Sequence[str], channels: Sequence[str], of_channels: OfChannels) -> list[str]:
    """Say what the files hold: how much is asked for, what binds it, and what was left out."""
    lines = [f"requirements: {len(wanted.requirements)}"]
    if wanted.constraints or wanted.hashes:
        lines[0] += f", bound by {len(wanted.constraints)} constraints and the hashes of {len(wanted.hashes)} projects"
    if specs:
        known = ", ".join(of_channels.known())
        lines.append(f"of channels: {len(specs)}, from {', then '.join(channels) or f'all: {known}'}")
    elif wanted.conda:
        names = ", ".join(row.text for row in wanted.conda)
        lines.append(f"NOT asked for, as no source is a channel: {names}; the target says it")
    return lines + list(wanted.ignored)
