"""``sekisho configure``: point pip or uv at a workspace's door, and at nothing else."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from sekisho.cli.frame import emit, json_option
from sekisho.errors import ConflictError
from sekisho.policy.frozen import check_address
from sekisho.settings import load_settings
from sekisho.store import write_atomically

_MARK = "# written by `sekisho configure`: one index and no other\n"


def _pip(index: str) -> str:
    host = urlsplit(index).hostname
    trusted = f"trusted-host = {host}\n" if index.startswith("http://") else ""
    return f"{_MARK}[global]\nindex-url = {index}\n{trusted}disable-pip-version-check = true\n"


def _uv(index: str) -> str:
    return f'{_MARK}[[index]]\nname = "sekisho"\nurl = "{index}"\ndefault = true\n'


_CLIENTS = {"pip": (_pip, "~/.config/pip/pip.conf"), "uv": (_uv, "~/.config/uv/uv.toml")}


@click.command()
@click.argument("client", type=click.Choice(sorted(_CLIENTS)))
@click.option("--to", "path", type=click.Path(path_type=Path), help="Where to write; default is the client's own file.")
@click.option("--at", help="Freeze: a revision of the policy, a day as 2026-11-24, or a moment in UTC.")
@click.option("--force", is_flag=True, help="Replace a file that this command did not write.")
@json_option
def configure(client: str, path: Path | None, at: str | None, *, force: bool, as_json: bool) -> None:
    """Write the configuration of a client: one index, no extra index, never a host outside."""
    settings = load_settings()
    write, default = _CLIENTS[client]
    target = path or Path(default).expanduser()
    frozen = f"@{check_address(at)}/" if at is not None else ""
    index = f"{settings.proxy}/w/{settings.workspace}/{frozen}pypi/simple/"
    if target.exists() and not target.read_text().startswith(_MARK) and not force:
        raise ConflictError(
            "the file exists and was not written by this command",
            where=str(target),
            todo="look at it, then use --force to replace it, or --to to write elsewhere",
        )
    write_atomically(target, write(index).encode())
    result = {"client": client, "path": str(target), "index": index, "python": sys.version.split()[0]}
    emit(result, as_json=as_json, text=lambda: f"{target}: {client} now asks {index} and nothing else")
