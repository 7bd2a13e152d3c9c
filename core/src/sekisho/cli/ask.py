"""Ask for packages, and ask what became of it: ``request``, ``status``, ``why``."""

import re
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from packaging.requirements import InvalidRequirement, Requirement

from sekisho.cli.asking import OfChannels, declared, from_definition, from_words
from sekisho.cli.clients.door import Place
from sekisho.cli.described import asked_for, describe, go_on, row_of
from sekisho.cli.frame import emit, json_option
from sekisho.cli.inferred import GLIBC, infer_workspace
from sekisho.client import PortalClient
from sekisho.errors import BadInputError, ConflictError, RefusedError, from_diagnostics
from sekisho.logs import printable
from sekisho.settings import Settings, load_settings, of_this_folder, require_named
from sekisho.wanted import Choice

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 (compared with, not listened on)
FINAL = ("delivered", "approved", "refused", "denied", "failed", "waiting", "asked")
"""States in which nothing more happens without a person, when a request is not meant for an image."""


_STOPPED = ("waiting", "refused")
_PACKAGE = re.compile(r"(?:conda:)?(?P<name>[A-Za-z0-9_.-]+)(?:={1,2}(?P<release>[A-Za-z0-9_.!+]+))?", re.ASCII)
_SEARCH = 60.0
"""Seconds that something to have instead is waited for."""


def connect(settings: Settings) -> PortalClient:
    """Return a client that speaks as the holder of ``SEKISHO_TOKEN``.

    A ``sekisho.toml`` that came with a folder does not decide which other machine gets that token.
    """
    host = urlsplit(settings.portal).hostname or ""
    if settings.token and host not in _THIS_MACHINE and "token" not in of_this_folder():
        address = "portal_host" if settings.portal_url is None else "portal_url"
        require_named([address], f"that {host[:100]} gets your token")
    return PortalClient(settings.portal, settings.token, ca=settings.trusted_ca)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--image", help="Ask for everything that images/IMAGE/image.yaml needs.")
@click.option(
    "-r",
    "--requirements",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A requirements file, environment.yml, a project's file (pyproject.toml, pixi.toml) or a lock.",
)
@click.option("--conda", "specs", multiple=True, metavar="SPEC", help="A package of a channel, as numpy=1.26.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="ID",
    help="Where --conda is looked for, the first one first; default is every channel.",
)
@click.option("--extra", "extras", multiple=True, help="An extra of the project in FILE, too.")
@click.option("--group", "groups", multiple=True, help="A dependency group of FILE, too.")
@click.option("--reason", default="", help="Why you need it; the approver reads this.")
@click.option("--workspace", help="For whom; default is SEKISHO_WORKSPACE, or the door that pip or uv asks.")
@click.option("--python", help="Full Python version of the target, as 3.11.2; default is this environment's.")
@click.option("--glibc", help=f"C library of the target; default is this machine's, with --python {GLIBC}.")
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), help="Processor of the target; default as for glibc.")
@click.option("--beside", help="The curated image that you want it in; default is the one that this runs in.")
@click.option("--dry-run", is_flag=True, help="Show what would be asked, and ask nothing.")
@click.option("--wait", is_flag=True, help="Wait until a person, or nobody, has to act.")
@json_option
def request(
    names: tuple[str, ...],
    image: str | None,
    files: tuple[Path, ...],
    extras: tuple[str, ...],
    groups: tuple[str, ...],
    specs: tuple[str, ...],
    channels: tuple[str, ...],
    reason: str,
    *,
    dry_run: bool,
    wait: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Ask for packages: NAME… , --conda SPEC, or -r FILE, or --image IMAGE.

    The whole closure is resolved, inspected and judged; one decision admits all of it. Workspace, target and image are
    taken from where this runs, and shown; an option corrects each. Versions and hashes of a lock are kept to.
    """
    settings = load_settings()

    @cache
    def known() -> dict[str, str]:
        with connect(settings) as portal:
            return declared(portal)

    if image and (
        names or files or specs or channels or any(named[key] for key in ("python", "glibc", "arch", "beside"))
    ):
        raise click.UsageError("--image asks for what its definition says, so name nothing beside it")
    place = Place.here()
    workspace = infer_workspace(settings, named["workspace"], place)
    if image:
        asked = from_definition(settings, image)
    else:
        asked = from_words(
            settings, place, names, files, Choice(extras, groups), named, OfChannels(specs, channels, known)
        )
    asked.body.update(workspace=workspace.value, reason=reason)
    seen = [f"workspace: {workspace.value} ({workspace.seen}); another with --workspace", *asked.seen]
    click.echo("\n".join(["sekisho: asking", *(printable(f"  {line}") for line in seen)]), err=True)
    if dry_run:
        emit(asked.body, as_json=as_json, text=lambda: "\n".join(map(printable, asked_for(asked.body))))
        return
    with connect(settings) as portal:
        status = portal.ask(asked.body)
        if wait:
            status = follow(portal, status["id"])
    emit(status, as_json=as_json, text=lambda: describe(status))


def follow(portal: PortalClient, request_id: str, *, limit: float = 1800) -> dict[str, Any]:
    """Wait until the request needs a person or has ended; raise what it failed with, or that ``limit`` is over.

    Where it stops at something that policy does not allow, what to have instead is waited for, too, for a while.
    """
    end = time.monotonic() + limit
    status = portal.status(request_id)
    while not _settled(status) and time.monotonic() < end:
        status = portal.status(request_id, after=status["seq"], wait=20)
    search = min(end, time.monotonic() + _SEARCH)
    while status.get("searching") and status["state"] in _STOPPED and time.monotonic() < search:
        status = portal.status(request_id, after=status["seq"], wait=10)
    raise_problem(status)
    if not _settled(status):
        raise ConflictError(
            f"request {request_id} is still {status['state']} after {limit / 60:g} minutes",
            todo=f"wait on with `sekisho status {request_id} --wait`",
        )
    return status


def _settled(status: dict[str, Any]) -> bool:
    if status["state"] == "approved" and status["request"].get("image"):
        return False
    return status["state"] in FINAL


def raise_problem(status: dict[str, Any]) -> None:
    """Raise when a request has failed or was refused, so that a script notices."""
    if status["state"] == "failed":
        problem = status["problem"]
        where = f"request {status['id']}, {status['failed_stage']}: {problem.get('where', '')}".rstrip(": ")
        raise from_diagnostics(
            {**problem, "where": where, "todo": go_on(status["id"], problem)}, fallback="the request failed"
        )
    if status["state"] == "refused":
        denied = [row["purl"].partition("?")[0] for row in status["exceptions"] if row["outcome"] == "deny"]
        raise RefusedError(
            f"the policy denies {', '.join(denied[:5])}",
            where=f"request {status['id']}",
            todo=_instead(status),
        )
    if status["state"] == "denied":
        said = status["denied"]
        raise RefusedError(f"{said['by']} denied it: {said['reason']}", where=f"request {status['id']}")


def _instead(status: dict[str, Any]) -> str:
    """Say what to ask for in place of what is refused, if anything was found, and where the reasons are."""
    found = next((line for line in status.get("ways", ()) if line.startswith("instead: ")), None)
    why = f"see why, and what would pass, with `sekisho status {status['id']}`"
    return f"{found.removeprefix('instead: ')}; {why}" if found else f"{why}, and ask again without it"


@click.command()
@click.argument("request_id", metavar="[REQUEST]", required=False)
@click.option("--retry", is_flag=True, help="Work on a failed request again.")
@click.option("--wait", is_flag=True, help="Wait until a person, or nobody, has to act.")
@click.option("--verdicts", is_flag=True, help="Show the verdict of every artifact.")
@json_option
def status(request_id: str | None, *, retry: bool, wait: bool, verdicts: bool, as_json: bool) -> None:
    """Show where a request stands, or list all requests."""
    with connect(load_settings()) as portal:
        if request_id is None:
            rows = portal.requests()
            emit(rows, as_json=as_json, text=lambda: "\n".join(map(row_of, rows)) or "no requests yet")
            return
        if retry:
            portal.retry(request_id)
        found = follow(portal, request_id) if wait else portal.status(request_id, verdicts=verdicts)
        if wait and verdicts:
            found = portal.status(request_id, verdicts=True)
    emit(found, as_json=as_json, text=lambda: describe(found, verdicts=verdicts))


@click.command()
@click.argument("package", metavar="NAME[==VERSION]")
@click.option("--python", help="The Python you want it for, as 3.12 or 3.12.4.")
@click.option("--conda", is_flag=True, help="It is a package of a channel; the same as conda:NAME.")
@click.option("--channel", metavar="ID", help="In this channel; default is any.")
@json_option
def why(package: str, *, python: str | None, conda: bool, channel: str | None, as_json: bool) -> None:
    """Tell why a package is, or is not, to be had; conda:NAME is one of a channel.

    Who asked and who decided, which rule and since when, the nearest release that is approved, and what to do now.
    """
    if conda or channel or package.startswith("conda:"):
        node, release = _package(package)
    else:
        node, release = _project(package)
    settings = load_settings()
    with connect(settings) as portal:
        answer = portal.why(node, release, settings.workspace, python, channel)
    emit(answer, as_json=as_json, text=lambda: "\n".join(map(printable, answer["lines"])))


def _project(package: str) -> tuple[str, str | None]:
    """Read NAME or NAME==VERSION of an index."""
    try:
        wanted = Requirement(package)
    except InvalidRequirement as error:
        raise BadInputError(f"{package!r} is not NAME or NAME==VERSION: {error}") from error
    exact = [spec.version for spec in wanted.specifier if spec.operator == "=="]
    if len(exact) < len(wanted.specifier) or len(exact) > 1 or any(version.endswith(".*") for version in exact):
        raise BadInputError(f"{package!r} is not NAME or NAME==VERSION", todo="ask about one release, as six==1.17.0")
    return wanted.name, exact[0] if exact else None


def _package(package: str) -> tuple[str, str | None]:
    """Read NAME, NAME=VERSION or NAME==VERSION of a channel."""
    found = _PACKAGE.fullmatch(package.strip())
    if found is None:
        raise BadInputError(
            f"{package[:80]!r} is not conda:NAME or conda:NAME==VERSION", todo="ask about one, as conda:numpy==1.26.4"
        )
    return f"conda:{found['name']}", found["release"]
