"""The signing keys of this installation, and the file that tells others to trust them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sekisho.disk import DISK, Disk
from sekisho.errors import NotFoundError, RefusedError
from sekisho.settings import Settings
from sekisho.signing import Purpose, Signer, Trust
from sekisho.store import write_atomically, write_secret_once
from sekisho.succession import parse_trust

KeyName = Literal["portal", "export"]
"""The keys that an installation signs with."""

PURPOSES: dict[KeyName, tuple[Purpose, ...]] = {
    "portal": ("approval", "snapshot", "checkpoint"),
    "export": ("bundle",),
}


def key_path(settings: Settings, name: KeyName) -> Path:
    """Return the file of a key that signs."""
    return settings.data / "keys" / f"{name}.pem"


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
    return parse_trust(path.read_bytes(), where=str(path))


class TrustFile:
    """The file of trusted keys, read again only when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], Trust] | None = None

    def __call__(self) -> Trust:
        """Return who is trusted now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return load_trust(self._path)
        mark = status.st_mtime_ns, status.st_ino, status.st_size
        if self._read is None or self._read[0] != mark:
            self._read = mark, load_trust(self._path)
        return self._read[1]


@contextmanager
def trust_in_hand(path: Path, *, disk: Disk = DISK) -> Iterator[None]:
    """Let nobody else write the file of trusted keys meanwhile."""
    disk.settle(path.parent)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_signer(settings: Settings, name: KeyName, *, disk: Disk = DISK) -> Signer:
    """Return the key ``name`` from ``<data>/keys``, made at first use and then listed in the trust file.

    Raises ``RefusedError`` for one that was revoked: whatever it signed now would count nowhere.
    """
    signer = load_or_create_signer(key_path(settings, name), disk=disk)
    path = settings.trust_file
    with trust_in_hand(path, disk=disk):
        trust = load_trust(path) if path.exists() else Trust()
        if signer.keyid in trust.revoked:
            raise RefusedError(
                "the key was revoked", where=str(key_path(settings, name)), todo=f"run `sekisho keys rotate {name}`"
            )
        if signer.keyid not in trust.keys:
            key = signer.trusted(name, *PURPOSES[name])
            wider = Trust(*trust.keys.values(), key, revoked=trust.revoked, statements=trust.statements)
            write_atomically(path, wider.dump().encode(), disk=disk)
    return signer
