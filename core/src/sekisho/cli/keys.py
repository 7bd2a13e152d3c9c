"""``sekisho keys``: which keys are trusted, and how they change."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from sekisho.cli.frame import emit, json_option
from sekisho.errors import NotFoundError
from sekisho.keys import PURPOSES, KeyName, key_path, load_signer, load_trust
from sekisho.ledger import Ledger
from sekisho.logs import printable
from sekisho.rotation import make_root, revoke_key, rotate
from sekisho.settings import Settings, load_settings
from sekisho.signing import Signer, Trust
from sekisho.trees import read_tree

_root_option = click.option(
    "--root", "root", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The site's root key."
)


@click.group()
def keys() -> None:
    """List the keys that are trusted here, let a new one take over, revoke an old one."""


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List the keys that are trusted here: what each may sign, which sign now, which were revoked."""
    settings = load_settings()
    rows = list(_rows(settings, load_trust(settings.trust_file)))
    emit(rows, as_json=as_json, text=lambda: "\n".join(_line(row) for row in rows))


@keys.command("rotate")
@click.argument("name", type=click.Choice(tuple(PURPOSES)))
@_root_option
@json_option
def rotate_key(name: str, root: Path | None, *, as_json: bool) -> None:
    """Let a new key sign as NAME; the old one signs no more, and what it signed holds.

    Services that run take the new key up by themselves. Proxies and replicas learn it from the next snapshot or
    bundle, in which the old key, or the root, vouches for it.
    """
    settings = load_settings()
    with _ledger(settings, needed=name == "portal") as ledger:
        key = rotate(settings, cast("KeyName", name), ledger, root=_signer(root))
    emit({"name": name, "keyid": key.keyid}, as_json=as_json, text=lambda: f"{name} signs with key {key.keyid} now")


@keys.command("revoke")
@click.argument("keyid")
@click.option("--reason", required=True, help="Why; it is signed and kept.")
@click.option("--until", type=int, help="The ledger row up to which its signatures hold; default is the last one.")
@click.option("--lose", is_flag=True, help="It is right that entries which the ledger does not have admit nothing.")
@_root_option
@json_option
def revoke(keyid: str, reason: str, until: int | None, root: Path | None, *, lose: bool, as_json: bool) -> None:
    """End a key, named by the beginning of its id: of what it signed, only what the ledger has by now holds.

    When it signed is read from the ledger, never from the date in what it signed. Revocations that it signed hold.
    """
    settings = load_settings()
    tree = read_tree("HEAD", settings.allowlists) if settings.allowlists.is_dir() else {}
    with _ledger(settings, needed=settings.allowlists.is_dir()) as ledger:
        said = revoke_key(
            settings, keyid, ledger, tree, reason=reason, until=until, lose=lose, root=_signer(root)
        )  # fmt: skip
    result = {"keyid": said.keyid, "rows": said.rows, "stands": len(said.stands)}
    text = f"key {said.keyid} is revoked; {len(said.stands)} records of the first {said.rows} rows stand"
    emit(result, as_json=as_json, text=lambda: text)


@keys.command("root")
@click.option("--to", "path", required=True, type=click.Path(path_type=Path), help="A new file; keep it off line.")
@json_option
def root_key(path: Path, *, as_json: bool) -> None:
    """Make a root key: from then on a change of keys counts only if it signed that.

    Do this before you hand trust.json over; who has an older one has to get it again.
    """
    settings = load_settings()
    key = make_root(settings, path)
    text = f"root key {key.keyid} is in {path}: move it off this machine, and hand {settings.trust_file} over again"
    emit({"keyid": key.keyid, "file": str(path)}, as_json=as_json, text=lambda: text)


def _signer(path: Path | None) -> Signer | None:
    return load_signer(path) if path else None


@contextmanager
def _ledger(settings: Settings, *, needed: bool) -> Iterator[Ledger | None]:
    """Give the ledger of this installation; a machine that only exports has none."""
    try:
        ledger = Ledger.open(settings.database_url)
    except NotFoundError:
        if needed:
            raise
        yield None
        return
    with ledger.closing():
        yield ledger


def _rows(settings: Settings, trust: Trust) -> Iterator[dict[str, Any]]:
    paths = (key_path(settings, name) for name in PURPOSES)
    signing = {load_signer(path).keyid for path in paths if path.exists()}
    for keyid, key in trust.keys.items():
        end = trust.revoked.get(keyid)
        state = "revoked" if end else "signs" if keyid in signing else "verifies"
        yield {
            "keyid": keyid,
            "name": key.name,
            "purposes": list(key.purposes),
            "state": state,
            "rows": end.rows if end else None,
            "stands": len(end.stands) if end else None,
        }


def _line(row: dict[str, Any]) -> str:
    end = f" at row {row['rows']}, {row['stands']} records stand" if row["state"] == "revoked" else ""
    return printable(f"{row['keyid'][:16]}  {row['name']:<8} {row['state']}{end}  ({', '.join(row['purposes'])})")
