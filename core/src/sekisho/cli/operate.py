"""For the person who runs an installation: ``up``, ``token``."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import entry_points
from typing import NoReturn

import click

from sekisho import listening
from sekisho.cli.frame import emit, json_option, report
from sekisho.database import open_database
from sekisho.errors import MissingToolError, SekishoError
from sekisho.logs import configure_logs
from sekisho.settings import Settings, load_settings
from sekisho.tokens import ROLES, Tokens

_GRACE = 2.0
"""Seconds that stages under way have to end by themselves."""

Service = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Serves until the event is set. Each distribution names its own in the entry point group ``sekisho.services``."""


_LAST = ("proxy", "portal")
"""These end after all others, in this order: who asks goes before who is asked."""


async def serve(services: dict[str, Service], settings: Settings) -> None:
    """Run services side by side until SIGINT or SIGTERM, or until one of them ends; then end them one after another."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):  # somebody else's folder is theirs to close
        settings.data.chmod(0o700)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stops = {name: asyncio.Event() for name in services}
    tasks = {name: asyncio.ensure_future(service(settings, stops[name])) for name, service in services.items()}
    waiting = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait([*tasks.values(), waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for name in sorted(tasks, key=lambda name: _LAST.index(name) if name in _LAST else -1):
        stops[name].set()
        await asyncio.wait([tasks[name]])
    for task in (*(done - {waiting}), *tasks.values()):  # the first failure is the one to tell
        task.result()


def run(services: dict[str, Service], settings: Settings) -> NoReturn:
    """Serve until told to stop, and end the process soon after: a stage that hangs goes on at the next start."""
    status = 1
    configure_logs(settings.log_level, settings.log_format)
    try:
        listening.run(serve(services, settings))
        status = 0
    except SekishoError as error:
        report(error, as_json=False)
    except Exception:
        logging.getLogger("sekisho").exception("a service failed unexpectedly")
    end = time.monotonic() + _GRACE
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Python would wait for threads, however long they hang


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
    run(chosen, settings)


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
