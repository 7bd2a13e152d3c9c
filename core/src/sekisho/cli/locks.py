"""``sekisho lock``: an approved closure, or what a tool answers from a door, as files; ``locks``: who holds what."""

from pathlib import Path
from typing import Any

import click

from sekisho.cli.ask import connect
from sekisho.cli.frame import emit, json_option
from sekisho.cli.image_locks import lock_image
from sekisho.cli.locking import Asking, Found, Named, lock_file, lock_request
from sekisho.cli.written import write_locks
from sekisho.errors import BadInputError
from sekisho.lock import FORMATS, DoorAddress
from sekisho.logs import printable
from sekisho.settings import load_settings

_FORMATS = "; ".join(f"{name}: {found.file} for {found.reader}" for name, found in FORMATS.items())


@click.command()
@click.argument("image", required=False)
@click.option("--request", "request_id", metavar="REQUEST", help="Lock what was approved for this request.")
@click.option(
    "-r",
    "--requirements",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Lock what FILE asks for, of what is approved now: requirements, environment.yml, pyproject.toml, …",
)
@click.option("--spec", "specs", multiple=True, help="A conda package beside FILE, as 'numpy >=2'.")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help=f"May be repeated. {_FORMATS}."
)
@click.option(
    "--engine",
    type=click.Choice(["uv", "pip-tools", "conda-lock"]),
    help="Who resolves FILE: uv by default, conda-lock where there are conda packages. With --request or an image,"
    " conda-lock writes the unified lock itself.",
)
@click.option("--output", "-o", help="The file to write, a folder for it, or - to print it.")
@click.option("--workspace", help="Whose door; default is SEKISHO_WORKSPACE, or the door that pip or uv asks.")
@click.option("--frozen", help="Have addresses of the door as of a revision, a day or a moment.")
@click.option("--with-token", is_flag=True, help="The engine sends SEKISHO_TOKEN to the door, where that wants one.")
@click.option("--python", help="Full Python version of the target, as 3.11.2; default is this environment's.")
@click.option("--glibc", help="C library of the target; default is this machine's.")
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), help="Processor of the target.")
@click.option("--commit/--no-commit", default=True, show_default=True, help="Commit an image's files in git.")
@json_option
def lock(
    image: str | None,
    request_id: str | None,
    files: tuple[Path, ...],
    specs: tuple[str, ...],
    formats: tuple[str, ...],
    engine: str | None,
    output: str | None,
    frozen: str | None,
    *,
    with_token: bool,
    commit: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Write a lock: of IMAGE (beside its definition), of a REQUEST, or of what FILE asks for.

    Without --format, packages of an index become hashed requirements, and where there are conda packages, a unified
    lock holds all. Every address in it is one of the door.
    """
    if sum((image is not None, request_id is not None, bool(files or specs))) != 1:
        raise click.UsageError("name an IMAGE, or --request, or -r FILE and --spec")
    if image and (output or named["workspace"]):
        raise click.UsageError("an image's lock lies beside its definition, and its workspace is the request's")
    settings = load_settings()
    token = settings.token if with_token else None
    with connect(settings) as portal:
        found: Found
        if image:
            found = lock_image(settings, portal, image)
        elif request_id:
            found = lock_request(portal, request_id)
        else:
            found = lock_file(settings, portal, Named(files, specs, engine, named, token))
        door = DoorAddress(settings.proxy, found.lock.workspace, frozen)
        if engine and not files and not specs:
            found = found.answered_by(Asking(engine, door, token, settings.trusted_ca), portal)
    rows = write_locks(found, formats, door, output=output, commit=commit)
    if output == "-":
        return
    emit(rows[0] if len(rows) == 1 else {"files": rows}, as_json=as_json, text=lambda: "\n".join(map(_line, rows)))


def _line(row: dict[str, Any]) -> str:
    done = "committed" if row["committed"] else "written" if row["changed"] else "unchanged"
    return f"{row['path']}: {row['packages']} packages, {done}"


@click.command()
@click.argument("what")
@click.option("--workspace", help="Only of this workspace.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Locks to show.")
@json_option
def locks(what: str, workspace: str | None, limit: int, *, as_json: bool) -> None:
    """List the locks, and the images made of them, that hold WHAT.

    That is NAME, NAME==VERSION, conda:NAME, a sha256, a package URL, or an advisory as CVE-2024-1234.
    """
    if not what.strip():
        raise BadInputError("nothing is asked about", todo="name a package, a sha256 or an advisory")
    with connect(load_settings()) as portal:
        found = portal.locks(what, workspace=workspace, limit=limit)
    emit(found, as_json=as_json, text=lambda: "\n".join(map(printable, _told(what, found))))


def _told(what: str, found: dict[str, Any]) -> list[str]:
    if not found["total"]:
        unknown = "" if found["known"] else "; no advisory of that name was imported"
        return [f"no lock holds {what}{unknown}"]
    lines = []
    for row in found["locks"]:
        image = f", image {row['image']}" if row["image"] else ""
        holds = ", ".join(dict.fromkeys(row["holds"]))
        lines.append(f"{row['name']} ({row['workspace']}, request {row['request']}): {holds}{image}")
    maybe = [f"{file['project']} {file['release']}" for file in found["files"] if file.get("maybe")]
    if maybe:
        lines.append(f"whether it concerns these cannot be told: {', '.join(dict.fromkeys(maybe))}")
    if found["total"] > len(found["locks"]):
        lines.append(f"and {found['total'] - len(found['locks'])} more; see --limit")
    return lines
