"""``sekisho configure``: point a client at a workspace's door, and at nothing else."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click

from sekisho.bare import bare
from sekisho.cli.clients import channels, pip, projects, twine
from sekisho.cli.clients.door import Client, ConfigFile, Door, Finding, Mirror, Place
from sekisho.cli.frame import emit, json_option
from sekisho.errors import BadInputError
from sekisho.logs import printable
from sekisho.policy.frozen import check_address
from sekisho.settings import Settings, load_settings, require_named
from sekisho.store import write_atomically
from sekisho.tls import fingerprint, read_ca

_CLIENTS: dict[str, Client] = {
    "pip": pip.PIP,
    "pip-tools": pip.PIP,
    "uv": projects.UV,
    "poetry": projects.POETRY,
    "pdm": projects.PDM,
    "conda": channels.CONDA,
    "mamba": channels.CONDA,
    "pixi": channels.PIXI,
    "twine": twine.TWINE,
}
_OF_CHANNELS = ("conda", "mamba", "pixi")
_PRINTED = ("dockerfile", "env")
_IN_IMAGE = Path("/etc/ssl/sekisho-ca.pem")
_ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104 (these are compared with, not listened on)
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # as core's Slug
_ADDRESS = re.compile(r"https?://[!%&()*+,./0-9:;=@A-Z\[\]_a-z|~{}^-]+")
"""Printable ASCII that no shell, file or image takes for anything else; an index has neither query nor fragment."""


@click.command()
@click.argument("client", metavar="CLIENT", type=click.Choice([*_CLIENTS, *_PRINTED]))
@click.option("--to", type=click.Path(path_type=Path), help="Where to write; default is the client's own file.")
@click.option("--at", help="Freeze: a revision of the policy, a day as 2026-11-24, or a moment in UTC.")
@click.option("--ca", type=click.Path(path_type=Path), help="The authority to trust; default is SEKISHO_TLS_CA.")
@click.option("--upload", help="For twine and uv: where the in-house index takes uploads.")
@click.option(
    "--channel",
    "named",
    multiple=True,
    metavar="NAME[=ADDRESS]",
    help="For conda, mamba and pixi, in order: a channel's name in sources.yaml, and where projects know it from.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail unless the client asks this index and nothing else.")
@click.option("--force", is_flag=True, help="Replace a file that this command did not write.")
@json_option
def configure(
    client: str,
    to: Path | None,
    at: str | None,
    ca: Path | None,
    upload: str | None,
    named: tuple[str, ...],
    *,
    check: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the configuration of a client: one index, no extra index, never a host outside.

    CLIENT is pip, pip-tools, uv, poetry, pdm, conda, mamba, pixi or twine; `env` and `dockerfile` print lines for a
    shell or an image instead. A file of somebody else is not replaced; pyproject.toml, which poetry reads its index
    from, gets a part of its own. Settings that would lead the client elsewhere all the same are listed, and make the
    command fail.
    """
    if client in _PRINTED and (to or check):
        raise click.UsageError(f"{client} prints, so it takes neither --to nor --check")
    settings, place = load_settings(), Place.here()
    address = "upload_url" if client == "twine" else "proxy_host" if settings.proxy_url is None else "proxy_url"
    chosen_here = {address: upload, "tls_ca": ca}
    require_named([name for name, given in chosen_here.items() if not given], "what clients ask and trust")
    to = to.absolute() if to else None
    index = _index(settings, at)
    trusted = _trusted(settings, client, ca, index)
    copy = _copy(client, to, place) if trusted else None
    inhouse = upload or settings.upload_url
    mirrors = tuple(_mirror(text) for text in named)
    door = Door(index, copy, _address(inhouse, "SEKISHO_UPLOAD_URL") if inhouse else None, mirrors)
    if client in _PRINTED:
        _print(client, door, trusted, as_json=as_json)
        return
    chosen = _CLIENTS[client]
    files = chosen.files(door, place, to)
    found = chosen.astray(door, place, to)
    if check:
        found += _undone(client, files, door, trusted, place, to)
    else:
        _write(files, copy, trusted, force=force)
    result = _result(client, door, files, trusted, chosen.variables(door, place, to), found)
    emit(result, as_json=as_json, text=lambda: _told(result, found))
    if found:
        click.get_current_context().exit(1)


def _address(url: str, where: str) -> str:
    """Return an address that may stand in a file which others can read."""
    parts = _split(url) if _ADDRESS.fullmatch(url) else None
    if parts is None or not parts.hostname:
        raise BadInputError(f"{bare(url)[:120]!r} is not an address", where=where)
    if parts.hostname in _ANYWHERE:
        raise BadInputError(f"nobody can ask {url}", where=where, todo="set it to the name that clients use")
    if parts.username or parts.password:
        raise BadInputError(
            "the address holds a name or a password",
            where=where,
            todo="leave it out: clients' files can be read by others",
        )
    return url


def _mirror(text: str) -> Mirror:
    channel, _, address = text.partition("=")
    if not _CHANNEL.fullmatch(channel):
        raise BadInputError(
            f"{channel[:80]!r} is no name of a channel", where="--channel", todo="name it as sources.yaml does"
        )
    return Mirror(channel, _address(address, "--channel").rstrip("/") if address else "")


def _split(url: str) -> SplitResult | None:
    """Return an address's parts, or ``None`` for one with half a bracket or a port that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts if port != 0 else None


def _index(settings: Settings, at: str | None) -> str:
    frozen = f"@{check_address(at)}/" if at is not None else ""
    return _address(f"{settings.proxy}/w/{settings.workspace}/{frozen}pypi/simple/", "SEKISHO_PROXY_URL")


def _trusted(settings: Settings, client: str, ca: Path | None, index: str) -> bytes | None:
    """Return the authority to trust. It is never fetched from the service that it shall vouch for."""
    if client == "twine":  # another service, so what was generated for the proxy says nothing about it
        path = ca or settings.tls_ca
    else:
        path = (ca or settings.trusted_ca) if index.startswith("https:") else None
    return read_ca(path) if path else None


def _copy(client: str, to: Path | None, place: Place) -> Path:
    """Return where the client finds its own copy of the authority: the data folder is closed to other users."""
    if client == "dockerfile":
        return _IN_IMAGE
    if to and client != "poetry":
        return to.with_name("sekisho-ca.pem")
    return place.config / "sekisho" / ("upload-ca.pem" if client == "twine" else "ca.pem")


def _write(files: list[ConfigFile], copy: Path | None, trusted: bytes | None, *, force: bool) -> None:
    ready = [(file, file.whole(force=force)) for file in files]  # none is written unless all can be
    if copy and trusted:
        write_atomically(copy, trusted)
    for file, data in ready:
        write_atomically(file.path, data, mode=file.mode)


def _undone(
    client: str, files: list[ConfigFile], door: Door, trusted: bytes | None, place: Place, to: Path | None
) -> list[Finding]:
    """Return what is missing of a configuration that should be there."""
    again = f"run `sekisho configure {client}`"
    found = [
        Finding(str(file.path), "it does not say what it should", again) for file in files if not file.written()
    ]  # fmt: skip
    if door.ca and (not door.ca.is_file() or door.ca.read_bytes() != trusted):
        found.append(Finding(str(door.ca), "this is not the authority to trust", again))
    for name, value in _CLIENTS[client].variables(door, place, to).items():
        if place.environment.get(name) != value:
            found.append(Finding(name, f"{client} needs this variable too", f"export {name}={value}"))
    return found


def _print(client: str, door: Door, trusted: bytes | None, *, as_json: bool) -> None:
    variables = pip.variables(door) | projects.uv_variables(door) | projects.pdm_variables(door)
    variables |= channels.variables(door)
    if client == "env":
        if door.ca and trusted:
            write_atomically(door.ca, trusted)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    else:
        said = fingerprint(trusted) if trusted else ""
        lines = [f"# its SHA-256 fingerprint is {said}", f"COPY sekisho-ca.pem {door.ca}"] if trusted else []
        lines += [f'ENV {name}="{value}"' for name, value in variables.items()]
    emit({"client": client, "variables": variables}, as_json=as_json, text=lambda: "\n".join(lines))


def _result(
    client: str,
    door: Door,
    files: list[ConfigFile],
    trusted: bytes | None,
    variables: dict[str, str],
    found: list[Finding],
) -> dict[str, Any]:
    return {
        "client": client,
        "path": str(files[0].path),
        "files": [str(file.path) for file in files],
        "index": door.upload if client == "twine" else door.url,
        "channels": [mirror.channel for mirror in door.mirrors],
        "ca": str(door.ca) if door.ca else None,
        "fingerprint": fingerprint(trusted) if trusted else None,
        "variables": variables,
        "elsewhere": [row._asdict() for row in found],
    }


def _told(result: dict[str, Any], found: list[Finding]) -> str:
    client, files = result["client"], ", ".join(result["files"])
    does, alone = ("uploads to", "nowhere else") if client == "twine" else ("asks", "asks nothing else")
    asked = f"channels {', '.join(result['channels'])}" if client in _OF_CHANNELS else result["index"]
    lines = [f"{printable(files)}: {client} {does} {asked} and {'is led elsewhere' if found else alone}"]
    if result["ca"]:
        lines.append(f"  it trusts {result['ca']}, SHA-256 {result['fingerprint']}")
    lines += [f"  it also needs: export {name}={shlex.quote(value)}" for name, value in result["variables"].items()]
    lines += [printable(f"  {row.where}: {row.what}; do now: {row.todo}") for row in found]
    return "\n".join(lines)
