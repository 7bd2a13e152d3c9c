"""Ask for packages, and ask what became of it: ``request``, ``status``, ``why``."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from packaging.requirements import InvalidRequirement, Requirement

from sekisho.cli.asking import from_definition, from_words
from sekisho.cli.clients.door import Place
from sekisho.cli.frame import emit, json_option
from sekisho.cli.inferred import GLIBC, infer_workspace
from sekisho.client import PortalClient
from sekisho.errors import BadInputError, ConflictError, RefusedError, from_diagnostics
from sekisho.logs import block, printable
from sekisho.settings import Settings, load_settings, of_this_folder, require_named
from sekisho.wanted import Choice

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 (compared with, not listened on)
FINAL = ("delivered", "approved", "refused", "denied", "failed", "waiting", "asked")
"""States in which nothing more happens without a person, when a request is not meant for an image."""


_STOPPED = ("waiting", "refused")
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
    help="A requirements file, environment.yml, pyproject.toml, uv.lock or pylock.toml.",
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
    reason: str,
    *,
    dry_run: bool,
    wait: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Ask for packages: NAME… , or -r FILE, or --image IMAGE.

    The whole closure is resolved, inspected and judged; one decision admits all of it. Workspace, target and image are
    taken from where this runs, and shown; an option corrects each. Versions and hashes of a lock are kept to.
    """
    settings = load_settings()
    if image and (names or files or any(named[key] for key in ("python", "glibc", "arch", "beside"))):
        raise click.UsageError("--image asks for what its definition says, so name nothing beside it")
    place = Place.here()
    workspace = infer_workspace(settings, named["workspace"], place)
    if image:
        asked = from_definition(settings, image)
    else:
        asked = from_words(settings, place, names, files, Choice(extras, groups), named)
    asked.body.update(workspace=workspace.value, reason=reason)
    seen = [f"workspace: {workspace.value} ({workspace.seen}); another with --workspace", *asked.seen]
    click.echo("\n".join(["sekisho: asking", *(printable(f"  {line}") for line in seen)]), err=True)
    if dry_run:
        emit(asked.body, as_json=as_json, text=lambda: "\n".join(map(printable, asked.body["requirements"])))
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
            {**problem, "where": where, "todo": _go_on(status["id"], problem)}, fallback="the request failed"
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


def _go_on(request_id: str, problem: dict[str, str]) -> str:
    """Say what to do about a failed request, and how the same one goes on, unless only another one can succeed."""
    todo = problem.get("todo") or "mend the cause"
    anew = problem.get("code") == "unresolvable" or "ask again" in todo
    return todo if anew else f"{todo}; then go on with `sekisho status {request_id} --retry --wait`"


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
            emit(rows, as_json=as_json, text=lambda: "\n".join(map(_row, rows)) or "no requests yet")
            return
        if retry:
            portal.retry(request_id)
        found = follow(portal, request_id) if wait else portal.status(request_id, verdicts=verdicts)
        if wait and verdicts:
            found = portal.status(request_id, verdicts=True)
    emit(found, as_json=as_json, text=lambda: describe(found, verdicts=verdicts))


def _row(status: dict[str, Any]) -> str:
    asked = ", ".join(status["request"]["requirements"])
    return printable(f"{status['id']}  {status['state']:<10} {status['request']['requester']}: {asked[:80]}")


def describe(status: dict[str, Any], *, verdicts: bool = False) -> str:
    """Put a request's status into lines for a person."""
    asked = status["request"]
    lines = [
        printable(f"request {status['id']}: {status['state']}"),
        printable(f"  asked by {asked['requester']} for workspace {asked.get('workspace', 'everyone')}"),
        printable(f"  requirements: {', '.join(asked['requirements'])}"),
    ]
    if bound := status.get("bound"):
        lines.append(f"  bound by {bound['constraints']} constraints, and hashes of {bound['hashed']} projects")
    if closure := status.get("closure"):
        lines.append(printable(f"  closure: {closure['packages']} packages, {closure['digest']}"))
        lines += _builds(status)
    if counts := status.get("counts"):
        lines.append("  verdicts: " + ", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    if difference := status.get("difference"):
        lines.append(
            "  beside what is approved: " + ", ".join(f"{number} {what}" for what, number in difference.items())
        )
    for row in status.get("verdicts" if verdicts else "exceptions", ()):
        reasons = "; ".join(f"{r['rule']}: {r['evidence']}" for r in row["reasons"])
        lines.append(printable(f"    {row['outcome']:<6} {row['purl'].partition('?')[0]}  {reasons}"))
        if row.get("facts"):
            known = [f"{what} {told}" for what, told in row["facts"].items()]
            had = ", ".join(row.get("approved", ())) or "no release"
            lines.append(printable(f"           {', '.join(known)}; approved so far: {had}"))
    lines += [printable(f"  {line}") for line in status.get("ways", ())]
    lines += _said(status)
    if problem := status.get("problem"):
        lines.append(f"  failed in {printable(status['failed_stage'])}: {block(problem.get('title'))}")
        lines.append(f"  do now: {block(_go_on(status['id'], problem))}")
    if approval := status.get("approval"):
        said = approval.get("reason") or "no reason given"
        who = approval["approved_by"] + (f" and {approval['seconded_by']}" if approval.get("seconded_by") else "")
        told = "".join(
            [f" for {', '.join(scope)}" if (scope := approval.get("scope")) else "",
             f" until {end}" if (end := approval.get("expires")) else ""]
        )  # fmt: skip
        lines.append(printable(f"  approved by {who}{told}: {said}"))
    if reason := status.get("denied"):
        lines.append(printable(f"  denied by {reason['by']}: {reason['reason']}"))
    if image := status.get("image"):
        lines.append(printable(f"  image: {image['registry']}/{image['repository']}@sha256:{image['manifest']}"))
    if kept := status.get("not_rebased"):
        lines.append(printable(f"  stays on its base since {kept['at'][:16]}Z: {kept['problem'].get('title')}"))
    lines.append(printable(f"  see {status['link']}"))
    return "\n".join(lines)


def _builds(status: dict[str, Any]) -> list[str]:
    """Say what is to be built from source, and what was."""
    lines = [
        f"  to be built from source: {row['project']}, with {', '.join(row['requires']) or 'nothing'}"
        f" ({row['packages']} packages)"
        for row in status["closure"].get("builds", ())
    ]
    for row in status.get("built", ()):
        differing = f"not reproducible, a second build differs in {', '.join(row['differing'][:5])}"
        told = "reproducible" if row["reproducible"] else differing
        lines.append(f"  built from {row['source']} in {row['seconds']} s: {row['filename']}, {told}")
    return [printable(line) for line in lines]


def _said(status: dict[str, Any]) -> list[str]:
    """Say what people asked and answered, what was let in by breaking glass, and what was taken back."""
    lines = [printable(f"  {row['by']} {row['kind']}: {row['text']}") for row in status.get("conversation", ())]
    if first := status.get("first_approval"):
        lines.append(printable(f"  approved first by {first['by']}: {first['reason']}; a second approver has to"))
    for row in status.get("break_glass", ()):
        names = ", ".join(row["names"])
        lines.append(
            printable(f"  BREAK GLASS: {row['by']} let in {names} until {row['expires'][:16]}Z: {row['reason']}")
        )
    for row in status.get("revocations", ()):
        names = ", ".join(row["names"][:5])
        lines.append(printable(f"  revoked by {row['by']} on {row['at'][:10]}: {names}: {row['reason']}"))
    return lines


@click.command()
@click.argument("package", metavar="NAME[==VERSION]")
@click.option("--python", help="The Python you want it for, as 3.12 or 3.12.4.")
@json_option
def why(package: str, *, python: str | None, as_json: bool) -> None:
    """Tell why a package is, or is not, to be had.

    Who asked and who decided, which rule and since when, the nearest release that is approved, and what to do now.
    """
    try:
        wanted = Requirement(package)
    except InvalidRequirement as error:
        raise BadInputError(f"{package!r} is not NAME or NAME==VERSION: {error}") from error
    exact = [spec.version for spec in wanted.specifier if spec.operator == "=="]
    if len(exact) < len(wanted.specifier) or len(exact) > 1 or any(version.endswith(".*") for version in exact):
        raise BadInputError(f"{package!r} is not NAME or NAME==VERSION", todo="ask about one release, as six==1.17.0")
    settings = load_settings()
    with connect(settings) as portal:
        answer = portal.why(wanted.name, exact[0] if exact else None, settings.workspace, python)
    emit(answer, as_json=as_json, text=lambda: "\n".join(map(printable, answer["lines"])))
