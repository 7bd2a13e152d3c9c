"""``sekisho audit``: check what is on record, sign it, and write it out for others to check."""

from pathlib import Path

import click

from sekisho.audit import Checked, export_audit, verify_export
from sekisho.cli.frame import emit, json_option
from sekisho.errors import CorruptError, NotFoundError
from sekisho.keys import load_trust, open_signer
from sekisho.ledger import CHECKPOINT, ORIGIN, Ledger
from sekisho.settings import load_settings
from sekisho.store import write_atomically

_UNPROVEN = "that no rows were cut off its end, or all written anew"


@click.group()
def audit() -> None:
    """Check the ledger, sign what it says, and write out everything that is on record."""


@audit.command()
@click.argument("export", required=False, type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="A checkpoint; default is the portal's newest one.")
@click.option("--trust", type=click.Path(path_type=Path), help="For an EXPORT: trusted keys that came another way.")
@json_option
def verify(export: Path | None, against: Path | None, trust: Path | None, *, as_json: bool) -> None:
    """Read every row again and find any that was altered, dropped or reordered since the newest checkpoint.

    Or check EXPORT, a folder that `sekisho audit export` wrote: every byte, signature and reference in it, without
    portal, ledger or network. What cannot be proved, for want of a checkpoint or of keys, is said.
    """
    if export is not None:
        _verify_export(export, against, trust, as_json=as_json)
        return
    settings = load_settings()
    ledger = Ledger.open(settings.database_url)
    size, root = ledger.verify()
    path = against or settings.data / CHECKPOINT
    signed = None
    if against or path.exists():
        try:
            signed = ledger.check(path.read_text(), load_trust(trust or settings.trust_file))
        except CorruptError as error:
            raise CorruptError(error.what, where=f"checkpoint {path}", todo="compare with a backup") from error
    said = f"as signed in {path} ({signed} rows)"
    if signed is None:
        said = f"there is no checkpoint at {path}\nnot proved: {_UNPROVEN}"
    unproven = [] if signed is not None else [_UNPROVEN]
    result = {"rows": size, "root": root.hex(), "checkpoint": signed, "unproven": unproven}
    emit(result, as_json=as_json, text=lambda: f"{size} rows hold; root {root.hex()}\n{said}")


def _verify_export(export: Path, against: Path | None, trust: Path | None, *, as_json: bool) -> None:
    for path in filter(None, (against, trust)):
        if not path.is_file():
            raise NotFoundError("there is no such file", where=str(path))
    found = verify_export(export, load_trust(trust) if trust else None, against.read_text() if against else None)
    emit(found._asdict(), as_json=as_json, text=lambda: _told(found))


def _told(found: Checked) -> str:
    lines = [
        f"{found.rows} rows hold; root {found.root}",
        f"{found.approvals} approvals, {found.statements} statements, {found.checkpoints} checkpoints hold",
        f"{found.refused} entries of the tree admit nothing",
        *(f"not proved: {words}" for words in found.unproven),
    ]
    return "\n".join(lines)


@audit.command()
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="A new folder.")
@json_option
def export(target: Path, *, as_json: bool) -> None:
    """Write everything that is on record into a folder: ledger, checkpoints, approvals, revocations, VEX, statements,
    every version of the policy, public keys. `sekisho audit verify` checks it anywhere.
    """  # noqa: D205 (a list does not fit one line)
    made = export_audit(load_settings(), target)
    text = f"{target}: {made.rows} rows, {len(made.files)} files; root {made.root}"
    result = {"folder": str(target), "rows": made.rows, "root": made.root, "files": len(made.files)}
    emit(result, as_json=as_json, text=lambda: text)


@audit.command()
@click.option("--to", "path", type=click.Path(path_type=Path), help="A file; default is standard output.")
@json_option
def checkpoint(path: Path | None, *, as_json: bool) -> None:
    """Write a signed statement of the ledger's size and root (C2SP checkpoint)."""
    settings = load_settings()
    ledger = Ledger.open(settings.database_url)
    text = ledger.checkpoint(ORIGIN, open_signer(settings, "portal"))
    if path:
        write_atomically(path, text.encode())
    emit({"checkpoint": text}, as_json=as_json, text=text.rstrip)
