"""For the person who runs an installation: ``up``, ``token``, ``audit``."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from pathlib import Path

import click

from sekisho.cli.frame import emit, json_option
from sekisho.database import open_database
from sekisho.errors import MissingToolError
from sekisho.keys import open_signer
from sekisho.ledger import Ledger
from sekisho.settings import Settings, load_settings
from sekisho.store import write_atomically
from sekisho.tokens import ROLES, Tokens

Service = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Serves until the event is set. Each distribution names its own in the entry point group ``sekisho.services``."""


async def serve(services: dict[str, Service], settings: Settings) -> None:
    """Run services side by side until SIGINT or SIGTERM, or until one of them fails; then stop all of them."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.ensure_future(service(settings, stop)) for service in services.values()]
    done, _ = await asyncio.wait([*tasks, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


@click.command()
@click.option("--only", multiple=True, help="Start only this service; may be repeated. Default: all installed ones.")
def up(only: tuple[str, ...]) -> None:
    """Start the installed services in one process, with embedded defaults."""
    found = {point.name: point for point in entry_points(group="sekisho.services")}
    missing = [name for name in only if name not in found]
    if missing or not found:
        raise MissingToolError(
            f"no such service is installed: {', '.join(missing) or 'none at all'}",
            where=f"installed: {', '.join(sorted(found)) or 'nothing'}",
            todo="install sekisho-portal, sekisho-proxy or sekisho-builder",
        )
    settings = load_settings()
    chosen = {name: point.load() for name, point in sorted(found.items()) if not only or name in only}
    click.echo(f"sekisho: {', '.join(chosen)} starting; portal {settings.portal}, proxy {settings.proxy}", err=True)
    asyncio.run(serve(chosen, settings))


@click.group()
def token() -> None:
    """Issue and revoke the tokens by which people and services are known."""


@token.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES), help="May be repeated.")
@json_option
def issue(name: str, roles: tuple[str, ...], *, as_json: bool) -> None:
    """Make a token for NAME and print it, once."""
    secret = Tokens(open_database(load_settings().database_url)).issue(name, roles)
    emit({"name": name, "roles": list(roles), "token": secret}, as_json=as_json, text=lambda: secret)


@token.command()
@click.argument("name")
@json_option
def revoke(name: str, *, as_json: bool) -> None:
    """Revoke every token of NAME."""
    count = Tokens(open_database(load_settings().database_url)).revoke(name)
    emit({"name": name, "revoked": count}, as_json=as_json, text=lambda: f"{count} tokens of {name} revoked")


@click.group()
def audit() -> None:
    """Read, check and export the ledger."""


@audit.command()
@json_option
def verify(*, as_json: bool) -> None:
    """Read every row again and find any that was altered, dropped or reordered."""
    size, root = Ledger(open_database(load_settings().database_url)).verify()
    emit({"rows": size, "root": root.hex()}, as_json=as_json, text=lambda: f"{size} rows hold; root {root.hex()}")


@audit.command()
@click.option("--to", "path", type=click.Path(path_type=Path), help="A file; default is standard output.")
@json_option
def checkpoint(path: Path | None, *, as_json: bool) -> None:
    """Write a signed statement of the ledger's size and root (C2SP checkpoint)."""
    settings = load_settings()
    ledger = Ledger(open_database(settings.database_url))
    text = ledger.checkpoint("sekisho", open_signer(settings, "portal"))
    if path:
        write_atomically(path, text.encode())
    emit({"checkpoint": text}, as_json=as_json, text=text.rstrip)
