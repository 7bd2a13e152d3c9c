"""From what a person hands in to the body of a request, with all that was inferred."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from sekisho.cli.clients.door import Place
from sekisho.cli.inferred import infer_beside, infer_target, target_of
from sekisho.definitions import read_definition
from sekisho.errors import BadInputError
from sekisho.settings import Settings
from sekisho.wanted import Choice, Wanted, read_wanted
from sekisho.wanted.value import read_requirement, together


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
    if definition.resolve_before:
        body["resolve_before"] = definition.resolve_before.isoformat()
    return Asked(body, [f"image: {image}", f"target: {definition.target} (its definition)"])


def from_words(
    settings: Settings,
    place: Place,
    names: Sequence[str],
    files: Sequence[Path],
    choice: Choice,
    named: Mapping[str, str | None],
) -> Asked:
    """Ask for what is named and what files hold; raise ``BadInputError`` where that comes to nothing."""
    if not (names or files):
        raise click.UsageError("name at least one package, a requirements file or an image")
    typed = Wanted(requirements=tuple(str(read_requirement(name, where="the command line")) for name in names))
    wanted = together([typed, *(read_wanted(path, choice) for path in files)])
    if not wanted.requirements:
        raise _nothing(wanted, files)
    beside = infer_beside(settings, named["beside"])
    target = target_of(settings, named["beside"]) if named["beside"] and not named["python"] else None
    target = target or infer_target(named["python"], named["glibc"], named["arch"], wanted.python, place)
    body: dict[str, Any] = {"requirements": list(wanted.requirements), "target": target.value.plain()}
    bound = {
        "constraints": list(wanted.constraints),
        "hashes": {name: list(row) for name, row in wanted.hashes.items()},
    }
    body |= {key: value for key, value in bound.items() if value}
    if beside:
        body["beside"] = beside.value
    return Asked(
        body,
        [
            f"target: {target.value} ({target.seen}); another with --python, --glibc, --arch",
            *([f"beside: image {beside.value} ({beside.seen}); another with --beside"] if beside else []),
            *_told(wanted),
        ],
    )


def _nothing(wanted: Wanted, files: Sequence[Path]) -> BadInputError:
    where = ", ".join(map(str, files))
    if wanted.others:
        left = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in wanted.others.items())
        return BadInputError(
            f"only packages of an index can be asked for yet, and these are others: {left}",
            where=where,
            todo="put what an index has into the file's pip section",
        )
    return BadInputError("nothing is asked for", where=where, todo="name a package in it, or an --extra or a --group")


def _told(wanted: Wanted) -> list[str]:
    """Say what the files hold: how much is asked for, what binds it, and what was left out."""
    lines = [f"requirements: {len(wanted.requirements)}"]
    if wanted.constraints or wanted.hashes:
        lines[0] += f", bound by {len(wanted.constraints)} constraints and the hashes of {len(wanted.hashes)} projects"
    lines += [
        f"NOT asked for, {kind} packages cannot be asked for yet: {', '.join(names)}"
        for kind, names in wanted.others.items()
    ]
    return lines + list(wanted.ignored)
