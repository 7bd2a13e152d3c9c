"""The signing keys of this installation, and the file that tells others to trust them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sekisho.settings import Settings
from sekisho.signing import Purpose, Signer, Trust
from sekisho.store import write_atomically

_PURPOSES: dict[str, tuple[Purpose, ...]] = {
    "portal": ("approval", "snapshot", "checkpoint"),
    "export": ("bundle",),
}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_signer(settings: Settings, name: Literal["portal", "export"]) -> Signer:
    """Return the key ``name`` from ``<data>/keys``, made at first use and then listed in the trust file."""
    signer = Signer.load_or_create(settings.data / "keys" / f"{name}.pem")
    path = settings.trust_file
    with _locked(path):
        trust = Trust.load(path) if path.exists() else Trust()
        if signer.keyid not in trust.keys:
            wider = Trust(*trust.keys.values(), signer.trusted(name, *_PURPOSES[name]))
            write_atomically(path, wider.dump().encode())
    return signer
