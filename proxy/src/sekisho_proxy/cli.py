"""The proxy's commands: serve, export, import."""

import asyncio
import signal
from pathlib import Path

import click

from sekisho import listening
from sekisho.cli.frame import emit, json_option
from sekisho.logs import configure_logs
from sekisho.settings import Settings, load_settings


@click.group()
def proxy() -> None:
    """Serve packages by the policy in force."""


@proxy.command()
def serve() -> None:
    """Serve until interrupted."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    listening.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from sekisho_proxy.service import serve as serve_until  # noqa: PLC0415 (a command imports what it runs)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    click.echo(f"proxy: {settings.proxy}", err=True)
    await serve_until(settings, stop)


@click.command()
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="Folder to write the bundle to.")
@json_option
def export(target: Path, *, as_json: bool) -> None:
    """Write the policy in force and all approved files into a signed bundle."""
    from sekisho_proxy.bundle.export import export_bundle  # noqa: PLC0415

    done = asyncio.run(export_bundle(load_settings(), target))
    emit(
        done.model_dump(mode="json"),
        as_json=as_json,
        text=lambda: (
            f"{done.folder}: policy {done.sequence}, {done.blobs} blobs, {done.bytes} bytes, expires {done.expires}"
        ),
    )


@click.command("import")
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option
def import_(bundle: Path, *, as_json: bool) -> None:
    """Verify a bundle and take over its policy and files."""
    from sekisho_proxy.bundle.arrive import import_bundle  # noqa: PLC0415

    done = import_bundle(load_settings(), bundle)
    emit(
        done.model_dump(mode="json"),
        as_json=as_json,
        text=lambda: (
            f"policy {done.sequence}: {done.new} blobs new, {done.here} already here, {done.bytes} bytes written"
            + (" (nothing to do)" if done.already else "")
        ),
    )
