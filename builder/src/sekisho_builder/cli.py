"""``sekisho builder``: work on requests, and prepare base images."""

import click

from sekisho.cli.frame import emit, json_option
from sekisho.cli.operate import run
from sekisho.definitions import read_definition
from sekisho.settings import load_settings
from sekisho.store import write_atomically


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
@click.argument("image")
@json_option
def base(image: str, *, as_json: bool) -> None:
    """Bring the base image of IMAGE into the cache: pulled by digest, or built from Debian packages."""
    from sekisho_builder.base import open_base  # noqa: PLC0415

    settings = load_settings()
    definition = read_definition(settings.images, image)
    found = open_base(definition, settings.images, settings)
    lines = [f"base sha256:{found.manifest} ({'reused' if found.reused else 'made'})"]
    if found.relocked is not None and definition.base.debian is not None:
        path = settings.images / definition.base.debian / "packages.lock"
        write_atomically(path, found.relocked.encode())
        lines.append(f"{path}: locked anew, since the mirror no longer had what it asked for; review and commit it")
    result = {"manifest": found.manifest, "reused": found.reused, "relocked": found.relocked is not None}
    emit(result, as_json=as_json, text=lambda: "\n".join(lines))
