"""``sekisho builder``: work on requests, and prepare base images."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sekisho.cli.frame import emit, json_option
from sekisho.cli.operate import run
from sekisho.definitions import read_definition
from sekisho.errors import BadInputError
from sekisho.service_token import read
from sekisho.settings import load_settings
from sekisho.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sekisho.model import ImageDefinition
    from sekisho.settings import Settings
    from sekisho_builder.rebase import Rebased


@click.group()
def builder() -> None:
    """Resolve requests and build images from approved bytes."""


@builder.command()
def work() -> None:
    """Work on the portal's requests until stopped."""
    from sekisho_builder import service  # noqa: PLC0415 (the engine takes a while to import)

    settings = load_settings()
    click.echo(f"sekisho: builder works for {settings.portal}", err=True)
    run({"builder": service.serve}, settings)


@builder.command()
@click.argument("images", nargs=-1)
@click.option("--all", "every", is_flag=True, help="every image that was delivered")
@json_option
def rebase(images: tuple[str, ...], *, every: bool, as_json: bool) -> None:
    """Put the present base under IMAGES: same package layers, gated, pushed, recorded. Ends with 1 if one could not.

    An image whose base has not changed stays as it is, and so does one that its gates or the new base refuse.
    """
    from sekisho_builder.rebasing import rebase as put_under  # noqa: PLC0415 (the stages take a while to import)

    if every == bool(images):
        raise BadInputError("it is not said which images", todo="name them, or give --all")
    settings = load_settings()
    rows = put_under(settings, read(settings.service_token_file), images, lambda row: _told(row, as_json=as_json))
    emit([row._asdict() for row in rows], as_json=as_json, text=lambda: _summary(rows))
    if any(row.outcome not in {"done", "unchanged"} for row in rows):
        raise SystemExit(1)


def _told(row: "Rebased", *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{row.image} ({row.workspace}): {row.outcome}{f': {row.why}' if row.why else ''}", err=True)


def _summary(rows: "Sequence[Rebased]") -> str:
    counts = Counter(row.outcome for row in rows)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no image was delivered yet"


@builder.command()
@click.argument("image")
@json_option
def base(image: str, *, as_json: bool) -> None:
    """Bring the base image of IMAGE into the cache, and its build-base: pulled by digest, or built from packages."""
    settings = load_settings()
    definition = read_definition(settings.images, image)
    wanted = {"base": definition.base, "build-base": definition.build_base}
    found = {
        name: _opened(definition.model_copy(update={"base": one}), settings) for name, one in wanted.items() if one
    }
    emit(found, as_json=as_json, text=lambda: "\n".join(_base_line(name, row) for name, row in found.items()))


def _opened(definition: "ImageDefinition", settings: "Settings") -> dict[str, object]:
    """Open a base; write its lock anew where the mirror no longer had what that asks for."""
    from sekisho_builder.base import open_base  # noqa: PLC0415

    found = open_base(definition, settings.images, settings)
    lock = ""
    if found.relocked is not None and definition.base.debian is not None:
        path = settings.images / definition.base.debian / "packages.lock"
        write_atomically(path, found.relocked.encode())
        lock = str(path)
    return {"manifest": found.manifest, "reused": found.reused, "relocked": lock or None}


def _base_line(name: str, row: "Mapping[str, object]") -> str:
    line = f"{name} sha256:{row['manifest']} ({'reused' if row['reused'] else 'made'})"
    why = "locked anew, since the mirror no longer had what it asked for; review and commit it"
    return f"{line}\n{row['relocked']}: {why}" if row["relocked"] else line


@builder.command()
@click.argument("image")
@json_option
def debian(image: str, *, as_json: bool) -> None:
    """Lock the Debian packages that IMAGE has beyond its base's, with all they need, as its debian.lock."""
    from sekisho_builder.base import open_base  # noqa: PLC0415
    from sekisho_builder.base.debian_choice import lock_debian  # noqa: PLC0415
    from sekisho_builder.base.debian_lock import DEBIAN_LOCK  # noqa: PLC0415

    settings = load_settings()
    definition = read_definition(settings.images, image)
    lock = lock_debian(definition, open_base(definition, settings.images, settings).layout, settings.debian_mirror)
    path = settings.images / image / DEBIAN_LOCK
    write_atomically(path, lock.text().encode())
    result = {"file": str(path), "sha256": lock.digest(), "packages": [deb.line() for deb in lock.debs]}
    emit(result, as_json=as_json, text=lambda: f"{path}: {len(lock.debs)} packages; review and commit it")


@builder.command()
@click.argument("image")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="The file; default is IMAGE.tar.gz, here.")
@click.option("--prefix", default="", help="Where alone it is to work; without it, it can be unpacked anywhere.")
@json_option
def archive(image: str, output: str | None, prefix: str, *, as_json: bool) -> None:
    """Write the conda environment of IMAGE's newest lock as one file, as for the kernel of a notebook.

    Unpack it, and run its bin/sekisho-unpack once, unless it was made for one --prefix: there it works as it is.
    """
    from sekisho_builder.archive.making import make_archive  # noqa: PLC0415 (reading packages takes a while to import)

    settings = load_settings()
    target = Path(output or f"{image}.tar.gz")
    made = make_archive(settings, read(settings.service_token_file), image, target, prefix=prefix)
    todo = f"run {made.folder}/bin/sekisho-unpack after unpacking"
    todo = f"unpack it in {Path(prefix).parent}" if prefix else todo
    said = f"{target}: {made.packages} packages, {made.size} bytes, sha256:{made.sha256}; {todo}"
    emit(made.plain() | {"path": str(target)}, as_json=as_json, text=lambda: said)
