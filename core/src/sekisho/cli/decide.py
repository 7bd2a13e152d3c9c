"""Decide: ``approve``, ``deny``, ``ask-back``, ``break-glass``, ``revoke``. The portal refuses who must not."""

import json
from datetime import datetime

import click

from sekisho.cli.ask import connect
from sekisho.cli.described import describe
from sekisho.cli.frame import emit, json_option
from sekisho.errors import BadInputError
from sekisho.logs import printable
from sekisho.settings import load_settings


def moment(text: str | None) -> datetime | None:
    """Read a day or a time; raise ``BadInputError`` for anything else."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(f"{text!r} is not a time", where="--expires", todo="write it as 2027-05-01") from error
    return moment if moment.tzinfo else moment.astimezone()


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", required=True, help="Why this may come in; it is signed and kept.")
@click.option("--expires", help="When the approval ends, as 2027-05-01; default never.")
@click.option("--closure", help="The closure's digest, as `sekisho status` shows it: approve this one and no other.")
@click.option(
    "--scope", multiple=True, metavar="WORKSPACE", help="For whom; default is who asked. Name each, and who asked, too."
)
@json_option
def approve(
    request_id: str, reason: str, expires: str | None, closure: str | None, scope: tuple[str, ...], *, as_json: bool
) -> None:
    """Approve a request's whole closure: these exact files, for its workspace or for several.

    In each of them the policy must have nothing more against it than was shown.
    """
    until = moment(expires)
    with connect(load_settings()) as portal:
        seen = portal.status(request_id).get("closure", {}).get("digest")
        status = portal.approve(request_id, reason=reason, expires=until, closure=closure or seen, scope=scope)
    emit(status, as_json=as_json, text=lambda: describe(status))


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", required=True, help="Why not; the requester reads this.")
@json_option
def deny(request_id: str, reason: str, *, as_json: bool) -> None:
    """Deny a request."""
    with connect(load_settings()) as portal:
        status = portal.deny(request_id, reason=reason)
    emit(status, as_json=as_json, text=lambda: describe(status))


@click.command("ask-back")
@click.argument("request_id", metavar="REQUEST")
@click.argument("question")
@json_option
def ask_back(request_id: str, question: str, *, as_json: bool) -> None:
    """Ask the requester something before you decide."""
    with connect(load_settings()) as portal:
        status = portal.act(request_id, "ask-back", {"text": question})
    emit(status, as_json=as_json, text=lambda: describe(status))


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.argument("text")
@json_option
def answer(request_id: str, text: str, *, as_json: bool) -> None:
    """Answer what an approver asked about your request."""
    with connect(load_settings()) as portal:
        status = portal.act(request_id, "answer", {"text": text})
    emit(status, as_json=as_json, text=lambda: describe(status))


@click.command("break-glass")
@click.argument("request_id", metavar="REQUEST")
@click.argument("project", metavar="NAME")
@click.option("--hours", type=click.IntRange(1, 72), default=4, show_default=True, help="It ends by itself.")
@click.option("--reason", required=True, help="Why it cannot wait; everybody sees this.")
@json_option
def break_glass(request_id: str, project: str, hours: int, reason: str, *, as_json: bool) -> None:
    """In an emergency, let in one package of a request at once, for hours.

    It is shown everywhere until it ends. What is malicious or denied by name cannot be let in.
    """
    with connect(load_settings()) as portal:
        body = {"project": project, "hours": hours, "reason": reason}
        status = portal.act(request_id, "break-glass", body)
    emit(status, as_json=as_json, text=lambda: describe(status))


@click.command()
@click.argument("approval", metavar="APPROVAL")
@json_option
def statement(approval: str, *, as_json: bool) -> None:
    """Print what APPROVAL (as a42) says to others: a signed in-toto statement for each file, one a line.

    Each is a DSSE envelope; its predicate is SLSA's dependency provenance, with the evaluations of the policy.
    """
    with connect(load_settings()) as portal:
        found = portal.statements(approval)
    emit(found, as_json=as_json, text=lambda: "\n".join(json.dumps(row) for row in found))


@click.command()
@click.argument("what", metavar="APPROVAL|NAME[==VERSION]")
@click.option("--reason", required=True, help="Why; it is signed and kept.")
@click.option("--workspace", help="Only what holds in this workspace; default everywhere.")
@json_option
def revoke(what: str, reason: str, workspace: str | None, *, as_json: bool) -> None:
    """Take back what was approved: an approval (as a42), a package, or one release of it.

    It is out of every door within a second, and for good: only a new approval lets it in again.
    """
    with connect(load_settings()) as portal:
        found = portal.revoke(what, reason=reason, workspace=workspace)
    lines = [
        f"revoked {', '.join(row['names'])} (approval {row['approval']}, request {row['request']})" for row in found
    ]
    emit(found, as_json=as_json, text=lambda: "\n".join(map(printable, lines)))
