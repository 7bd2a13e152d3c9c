"""The proxy's commands: serve, prefetch, export, import."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from sekisho import listening
from sekisho.cli.frame import emit, json_option
from sekisho.lock import hash_pins
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


@proxy.command()
@click.argument("lock", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files to fetch at once.")
@json_option
def prefetch(lock: Path, *, jobs: int, as_json: bool) -> None:
    """Have the proxy fetch and keep every file of LOCK, a hash-pinned requirements file.

    What is refused, or cannot be fetched, is listed at the end; all else is fetched.
    """
    from sekisho_proxy.prefetch import prefetch_lock  # noqa: PLC0415

    settings = load_settings()
    pins = hash_pins(lock.read_text(), where=str(lock))
    with click.progressbar(length=len(pins), label=lock.name, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        done = asyncio.run(prefetch_lock(settings, pins, jobs, lambda: bar.update(1)))
    emit(done.model_dump(mode="json"), as_json=as_json, text=done.told)
    if done.problems:
        click.get_current_context().exit(1)


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
