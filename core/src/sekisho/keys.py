"""The signing keys of this installation, and the file that tells others to trust them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sekisho.disk import DISK, Disk
from sekisho.errors import NotFoundError
from sekisho.settings import Settings
from sekisho.signing import Purpose, Signer, Trust
from sekisho.store import write_atomically, write_secret_once

_PURPOSES: dict[str, tuple[Purpose, ...]] = {
    "portal": ("approval", "snapshot", "checkpoint"),
    "export": ("bundle",),
}


def load_signer(path: Path) -> Signer:
    """Read the PKCS #8 key at ``path``."""
    if not path.exists():
        raise NotFoundError("there is no signing key", where=str(path), todo="start the portal once: it makes one")
    return Signer.from_pem(path.read_bytes(), where=str(path))


def load_or_create_signer(path: Path, *, disk: Disk = DISK) -> Signer:
    """Read the PKCS #8 key at ``path``; make it (mode 0600) if there is none."""
    write_secret_once(path, Signer.generate().to_pem(), disk=disk)
    return load_signer(path)


def load_trust(path: Path) -> Trust:
    """Read the file of trusted keys."""
    if not path.exists():
        raise NotFoundError(
            "there is no file of trusted keys", where=str(path), todo="copy trust.json from the open zone by hand"
        )
    return Trust.parse(path.read_bytes(), where=str(path))


@contextmanager
def _locked(path: Path, disk: Disk) -> Iterator[None]:
    disk.settle(path.parent)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_signer(settings: Settings, name: Literal["portal", "export"], *, disk: Disk = DISK) -> Signer:
    """Return the key ``name`` from ``<data>/keys``, made at first use and then listed in the trust file."""
    signer = load_or_create_signer(settings.data / "keys" / f"{name}.pem", disk=disk)
    path = settings.trust_file
    with _locked(path, disk):
        trust = load_trust(path) if path.exists() else Trust()
        if signer.keyid not in trust.keys:
            wider = Trust(*trust.keys.values(), signer.trusted(name, *_PURPOSES[name]))
            write_atomically(path, wider.dump().encode(), disk=disk)
    return signer
