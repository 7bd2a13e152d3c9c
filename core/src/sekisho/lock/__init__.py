"""A lock: an approved closure as one record, and a writer for each format of a file.

The requirements file is what pip and uv install with ``--require-hashes``: one hash per project, the approved one.
"""

from sekisho.lock.addresses import DoorAddress
from sekisho.lock.conda_lock import UNIFIED_FILE, LockedRow, read_conda_lock, to_conda_lock, under_header
from sekisho.lock.explicit import to_explicit
from sekisho.lock.formats import FORMATS, Format, write_lock
from sekisho.lock.hash_pins import HashPin, hash_pins
from sekisho.lock.pinned import Answer, Pinned, ToLock, bind, check_same, hold, to_pin
from sekisho.lock.pixi import to_pixi
from sekisho.lock.pylock import to_pylock
from sekisho.lock.requirements import LOCK_FILE, pins, to_requirements
from sekisho.lock.value import Lock, lock_digest, make_lock, sorted_artifacts

__all__ = [
    "FORMATS",
    "LOCK_FILE",
    "UNIFIED_FILE",
    "Answer",
    "DoorAddress",
    "Format",
    "HashPin",
    "Lock",
    "LockedRow",
    "Pinned",
    "ToLock",
    "bind",
    "check_same",
    "hash_pins",
    "hold",
    "lock_digest",
    "make_lock",
    "pins",
    "read_conda_lock",
    "sorted_artifacts",
    "to_conda_lock",
    "to_explicit",
    "to_pin",
    "to_pixi",
    "to_pylock",
    "to_requirements",
    "under_header",
    "write_lock",
]
