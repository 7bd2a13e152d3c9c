"""Writers that are killed: forked, set to write, and killed at a moment that nobody chose. Run as a program.

It forks because a new interpreter for each would cost a second; it has one thread, so that a fork is safe.
"""

import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sekisho.disk import Disk
from sekisho.keys import load_or_create_signer
from sekisho.store import BlobStore, sweep_halves, write_atomically
from sekisho_proxy.disk_cache import DiskCache

_SIZES = (10, 5_000, 300_000, 2_000_000)
_MOST_BLOBS = 60


def value(number: int) -> bytes:
    """Return what a file may hold: a digest and the bytes of which it is one."""
    body = random.Random(number).randbytes(_SIZES[number % len(_SIZES)])
    return hashlib.sha256(body).digest() + body


def is_whole(data: bytes) -> bool:
    return hashlib.sha256(data[32:]).digest() == data[:32]


def write(root: Path, seed: int, told: int) -> None:
    """Write for ever, and say so of every blob that is kept."""
    disk = Disk()
    blobs, quarantine = BlobStore(root / "blobs", disk=disk), BlobStore(root / "quarantine", disk=disk)
    cache = DiskCache(root / "cache")
    chance = random.Random(seed)
    while True:
        data = value(chance.randrange(1 << 30))
        what = chance.randrange(5)
        if what == 0:
            write_atomically(root / "deep" / "file", data, disk=disk)
        elif what == 1:
            cache.put(str(chance.randrange(20)), data)
        elif what == 2:
            sha256 = quarantine.add([data])
            blobs.adopt(quarantine.path(sha256), sha256)
            os.write(told, f"{sha256}\n".encode())
        elif what == 3:
            load_or_create_signer(root / f"key-{chance.randrange(10_000)}.pem", disk=disk)
        else:
            parts = [data[at : at + 65536] for at in range(0, len(data), 65536)]
            os.write(told, f"{blobs.add(parts)}\n".encode())


def kill_one(root: Path, seed: int, moment: float) -> list[str]:
    """Fork two writers, kill both after ``moment`` seconds; return the blobs that they said were kept."""
    read, told = os.pipe()
    children = []
    for number in (0, 1):
        child = os.fork()
        if child == 0:
            os.close(read)
            write(root, 2 * seed + number, told)
        children.append(child)
    os.close(told)
    time.sleep(moment)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(read, "rb") as file:
        return file.read().decode().split()


def check(root: Path, told: list[str], seen: dict[Path, int]) -> int:
    """Check everything that is visible and new, sweep, and return how many half-written files there were."""
    for path in [*root.glob("blobs/sha256/*/*"), *root.glob("quarantine/sha256/*/*")]:
        if seen.get(path) != path.stat().st_ino:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"a corrupt blob: {path}"
            seen[path] = path.stat().st_ino
    for path in [root / "deep" / "file", *root.glob("cache/[0-9a-f]*/*")]:
        assert not path.exists() or is_whole(path.read_bytes()), f"a corrupt file: {path}"
    for path in root.glob("key-*.pem"):
        load_or_create_signer(path)
        path.unlink()
    blobs, quarantine = BlobStore(root / "blobs"), BlobStore(root / "quarantine")
    assert not [sha256 for sha256 in told if not blobs.has(sha256)], "a blob that was kept is gone"
    swept = blobs.sweep() + quarantine.sweep() + sweep_halves(root / "deep") + sweep_halves(root)
    DiskCache(root / "cache")
    left = [path for path in root.rglob("*") if path.parent.name == "incoming" or path.name.startswith(".")]
    assert not left, f"not swept: {left}"
    return swept


def main(root: Path, kills: int, say: Callable[[str], None]) -> None:
    chance = random.Random(20261125)
    seen: dict[Path, int] = {}
    swept = kept = 0
    for number in range(kills // 2):
        told = kill_one(root, number, chance.uniform(0.0, 0.12))
        swept += check(root, told, seen)
        kept += len(told)
        for path in list(root.glob("*/sha256/*/*"))[_MOST_BLOBS:]:
            path.unlink()
    say(f"{kills // 2 * 2} writers killed, {kept} blobs kept, {swept} half-written files swept, no corrupt entry")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), lambda line: print(line))  # noqa: T201, PLW0108
