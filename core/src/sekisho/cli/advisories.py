"""What is known against packages: ``advisories import``, ``affected``, ``vex not-affected``."""

from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import click
import httpx2

from sekisho.advisories import IMPORTS
from sekisho.cli.ask import connect
from sekisho.cli.decide import moment
from sekisho.cli.frame import emit, json_option
from sekisho.errors import BadInputError, NotFoundError, TooLargeError, UpstreamError
from sekisho.logs import printable
from sekisho.model import EVERYONE
from sekisho.settings import load_settings
from sekisho.tls import verify_for
from sekisho.vex import Justification

_LARGEST = 512_000_000
_SILENCE = 60.0
"""Seconds without a byte until a download counts as failed."""


@click.group()
def advisories() -> None:
    """Import what is known against packages."""


@advisories.command("import")
@click.argument("place", metavar="FILE|URL")
@click.option("--feed", type=click.Choice(IMPORTS), default="osv", show_default=True, help="What the file is.")
@click.option("--smaller", is_flag=True, help="It is right that many advisories are gone.")
@json_option
def import_(place: str, feed: str, *, smaller: bool, as_json: bool) -> None:
    """Import OSV's all.zip, a KEV catalogue, an EPSS file, or what conda packages are called; needs the role admin.

    Each is whole or not imported at all, and everything that is approved is judged again by it.
    """
    settings = load_settings()
    is_url = urlsplit(place).scheme in {"http", "https"}
    data = _download(place, settings.trusted_ca) if is_url else _read(Path(place))
    name = Path(urlsplit(place).path).name if is_url else Path(place).name
    with connect(settings) as portal:
        made = portal.import_feed(feed, data, name=name, smaller=smaller)
        concerned = portal.affected()
    taken = made["inputs"][feed]["taken"][:10]
    said = f"{feed} of {taken} imported: {made['advisories']} advisories, index {made['index'][:12]}"
    emit(
        {**made, "affected": len(concerned)},
        as_json=as_json,
        text=lambda: (
            f"{said}\n{len(concerned)} approved files are affected" + ("; see `sekisho affected`" * bool(concerned))
        ),
    )


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotFoundError("there is no such file", where=str(path))
    if path.stat().st_size > _LARGEST:
        raise TooLargeError(f"the file is larger than {_LARGEST} bytes", where=str(path))
    return path.read_bytes()


def _download(url: str, ca: Path | None) -> bytes:
    """Fetch a file whole; raise ``UpstreamError`` for one that does not come, or does not end."""
    parts: list[bytes] = []
    size = 0
    try:
        with (
            httpx2.Client(timeout=_SILENCE, follow_redirects=True, verify=verify_for(url, ca)) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise UpstreamError(f"the server answered {answer.status_code}", where=url)
            for part in answer.iter_bytes():
                size += len(part)
                if size > _LARGEST:
                    raise TooLargeError(f"the file is larger than {_LARGEST} bytes", where=url)
                parts.append(part)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UpstreamError(
            f"it cannot be fetched: {error}", where=url, todo="fetch it by hand, import the file"
        ) from error
    return b"".join(parts)


@click.command()
@json_option
def affected(*, as_json: bool) -> None:
    """List what is approved and has something against it that was not known then, and who has it."""
    with connect(load_settings()) as portal:
        rows = portal.affected()
    emit(
        rows,
        as_json=as_json,
        text=lambda: "\n".join(line for row in rows for line in _lines(row)) or "nothing is affected",
    )


def _lines(row: dict[str, Any]) -> list[str]:
    lines = [f"{row['name']} in {row['workspace']}: {row['outcome']}"]
    lines += [f"  {reason['rule']}: {reason['evidence']}" for reason in row["reasons"] if reason["outcome"] != "allow"]
    lines += [f"  {what}: {', '.join(row[what][:10])}" for what in ("requests", "locks", "images") if row.get(what)]
    lines.append(f"  upgrade to {row['upgrade']}" if row.get("upgrade") else "  no release is known to mend it")
    for name in row["advisories"][:3]:
        twice = f", by {row['approvers']} different approvers" if row.get("approvers", 1) > 1 else ""
        subject = row["name"].replace(" ", "==")
        lines.append(f"  or state{twice}: sekisho vex not-affected {name} {subject} --justification …")
    return [printable(line) for line in lines]


@click.group()
def vex() -> None:
    """State where an advisory does not matter."""


@vex.command("not-affected")
@click.argument("advisory")
@click.argument("releases", metavar="NAME==VERSION...", nargs=-1, required=True)
@click.option("--justification", required=True, type=click.Choice(get_args(Justification)), help="OpenVEX's own words.")
@click.option("--impact", default="", help="Why, in a sentence; it is signed and kept.")
@click.option("--workspace", "scope", multiple=True, help=f"Where it holds; may be repeated. Default {EVERYONE}.")
@click.option("--expires", help="When the statement ends, as 2027-05-01; default never.")
@json_option
def not_affected(
    advisory: str,
    releases: tuple[str, ...],
    justification: str,
    impact: str,
    scope: tuple[str, ...],
    expires: str | None,
    *,
    as_json: bool,
) -> None:
    """State that ADVISORY does not matter for some releases of one package; needs the role approver.

    A package of a channel is named as conda:NAME==VERSION.

    The statement is signed and committed to the allowlists tree; rules with `unless: vex` heed it. In a workspace with
    `approvers: 2` it counts once two different approvers have stated the same, with the same justification.
    """
    found = [text.partition("==") for text in releases]
    names = {name.strip() for name, _, _ in found}
    if len(names) != 1 or not all(release for _, _, release in found):
        raise BadInputError("name one package with exact releases", where=", ".join(releases), todo="as six==1.17.0")
    until = moment(expires)
    body = {
        "advisory": advisory,
        "project": names.pop(),
        "releases": [release.strip() for _, _, release in found],
        "justification": justification,
        "impact": impact,
        "scope": list(scope or (EVERYONE,)),
        "expires": until.isoformat() if until else None,
    }
    with connect(load_settings()) as portal:
        said = portal.state(body)
    emit(said, as_json=as_json, text=lambda: "\n".join(_said(said)))


@vex.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the statements in force, and those that another approver has to make, too, before they count."""
    with connect(load_settings()) as portal:
        rows = portal.stated()
    emit(
        rows,
        as_json=as_json,
        text=lambda: "\n".join(line for row in rows for line in _said(row)) or "nothing is stated",
    )


def _said(row: dict[str, Any]) -> list[str]:
    """Say what a statement says, and where it does not count yet."""
    prefix = "conda:" if row.get("kind") == "conda" else ""
    releases = " ".join(f"{prefix}{row['project']}=={release}" for release in row["releases"])
    until = f" until {row['expires'][:16]}Z" if row.get("expires") else ""
    lines = [
        (
            f"{row['id']}: {row['advisory']} does not affect {releases} in {', '.join(row['scope'])}{until}"
            f" ({row['justification']}), says {row['approved_by']}"
        )
    ]
    for workspace, count in row["missing"].items():
        others = "another approver" if count == 1 else f"{count} other approvers"
        lines.append(f"  does NOT count in {workspace} yet: {others} must state the same, as the policy asks for")
    if row["missing"]:
        scope = " ".join(f"--workspace {name}" for name in row["scope"])
        lines.append(
            f"  they run: sekisho vex not-affected {row['advisory']} {releases}"
            f" --justification {row['justification']} {scope}"
        )
    return [printable(line) for line in lines]
