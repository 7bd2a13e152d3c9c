"""Up to which moment it is certain what was in force: kept beside the snapshot, and carried over in bundles."""

from datetime import datetime
from pathlib import Path

from sekisho.disk import DISK, Disk
from sekisho.errors import SekishoError
from sekisho.model import Moment, Record
from sekisho.policy import Snapshot
from sekisho.store import write_atomically


class Horizon(Record):
    """Nothing newer than the snapshot ``sequence`` was, or ever will have been, in force at ``until``."""

    sequence: int
    until: Moment


def horizon_file(snapshot: Path) -> Path:
    """Return where the horizon of a kept snapshot is kept."""
    return snapshot.with_name("horizon.json")


def read_horizon(snapshot: Path) -> Horizon | None:
    """Return what is kept. One that is missing or cannot be read only means that less is certain."""
    file = horizon_file(snapshot)
    try:
        return Horizon.parse_json(file.read_bytes(), where=str(file))
    except (OSError, SekishoError):
        return None


def extend_horizon(snapshot: Path, horizon: Horizon, *, disk: Disk = DISK) -> None:
    """Keep a horizon, unless the one that is kept lies further off."""
    kept = read_horizon(snapshot)
    if kept is None or kept.sequence > horizon.sequence or kept.until < horizon.until:
        write_atomically(horizon_file(snapshot), horizon.canonical(), disk=disk)


def certain(snapshot: Snapshot, horizon: Horizon | None) -> datetime:
    """Return up to which moment it is certain what was in force, given the newest snapshot that is known.

    A horizon of an older snapshot still holds; one of a newer snapshot, which is not here, does not.
    """
    if horizon is None or horizon.sequence > snapshot.sequence:
        return snapshot.made
    return max(snapshot.made, horizon.until)
