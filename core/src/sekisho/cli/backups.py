"""``sekisho backup`` and ``sekisho restore``."""

from pathlib import Path

import click

from sekisho.backup import make_backup, restore_backup
from sekisho.cli.frame import emit, json_option
from sekisho.keys import load_trust
from sekisho.settings import load_settings


@click.command()
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option("--with-secrets", "secrets", is_flag=True, help="Private keys and the rooms' token as well: guard it so.")
@click.option(
    "--with-blobs", "blobs", is_flag=True, help="Approved files as well, which sources may not have any more."
)
@json_option
def backup(target: Path, *, secrets: bool, blobs: bool, as_json: bool) -> None:
    """Copy all durable state of this machine into a folder, while its services run.

    Ledger, tokens and counts, the allowlists tree with its history, feeds, statements, the policy in force, public
    keys. Not what can be fetched or made again. Without --with-secrets a restored site makes new keys.
    """
    made = make_backup(load_settings(), target, secrets=secrets, blobs=blobs)
    size = sum(file.size for file in made.files)
    lines = [f"{target}: {len(made.files)} files, {size} bytes"]
    if not secrets:
        lines.append("private keys are not in it: keep them elsewhere, or a restored site has to make new ones")
    result = {"folder": str(target), "files": len(made.files), "bytes": size, "secrets": secrets, "blobs": blobs}
    emit(result, as_json=as_json, text=lambda: "\n".join(lines))


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Keys to check it with.")
@json_option
def restore(source: Path, trust: Path | None, *, as_json: bool) -> None:
    """Put BACKUP back where nothing is left: verified whole before a byte is written, and nothing is overwritten.

    Stop the services first. What happened after the backup is not there: see docs/how-to/keep.md.
    """
    done = restore_backup(load_settings(), source, load_trust(trust) if trust else None)
    lines = [f"{done.files} files of {done.at:%Y-%m-%d %H:%M} UTC are back"]
    lines += [f"{done.rows} rows of the ledger hold"] if done.rows is not None else []
    result = {**done._asdict(), "at": done.at.isoformat()}
    emit(result, as_json=as_json, text=lambda: "\n".join([*lines, *done.notes]))
