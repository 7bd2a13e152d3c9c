"""Decide: ``approve`` and ``deny``. The portal refuses a requester who tries either on their own request."""

from datetime import datetime

import click

from sekisho.cli.ask import connect, describe
from sekisho.cli.frame import emit, json_option
from sekisho.errors import BadInputError
from sekisho.settings import load_settings


def _moment(text: str | None) -> datetime | None:
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
@json_option
def approve(request_id: str, reason: str, expires: str | None, closure: str | None, *, as_json: bool) -> None:
    """Approve a request's whole closure: these exact files, for its workspace."""
    until = _moment(expires)
    with connect(load_settings()) as portal:
        seen = portal.status(request_id).get("closure", {}).get("digest")
        status = portal.approve(request_id, reason=reason, expires=until, closure=closure or seen)
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
