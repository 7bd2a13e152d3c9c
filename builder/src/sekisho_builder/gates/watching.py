"""Run a command in an image and see what it would send: how, is in ``probes/watch.py`` and docs/adr."""

import json
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from sekisho.errors import SekishoError
from sekisho.ports import NAME_SERVER, ContainerResult, Mount
from sekisho_builder.gates.subject import WORD, Found, Subject, Watched, heard, isolated, printable, source

_WATCH_WORD = "SEKISHO_WATCH"
_KEPT = 160 << 10
"""Bytes of a command's output that are looked at: the last ones; as JSON they are at most six times as long."""

_GRACE = 60
"""Seconds that a container may take beyond its command's own."""

SCRATCH = "/outputs"
_HOME = "/tmp"  # noqa: S108 (inside the container)


class Bounds(NamedTuple):
    """What a run may use: seconds, bytes of memory with all files that it writes, processes at once."""

    seconds: int = 300
    memory: int = 4 << 30
    processes: int = 1024


def watch(
    subject: Subject,
    label: str,
    *command: str,
    bounds: Bounds,
    environment: Mapping[str, str] | None = None,
    mounts: tuple[Mount, ...] = (),
    scratch: tuple[str, ...] = (),
) -> Watched:
    """Run ``command`` as the image's user, with a read-only root and no network, and keep what it tried to reach.

    It starts in ``/outputs``, which is empty, as its home is. Raises ``SekishoError`` if the run cannot be believed.
    """
    subject.watches[label] = None
    uid, _, gid = subject.definition.user.partition(":")
    task = {
        "command": command,
        "uid": int(uid),
        "gid": int(gid or uid),
        "home": _HOME,
        "folder": SCRATCH,
        "scratch": (_HOME, SCRATCH, *scratch),
        "seconds": bounds.seconds,
        "keep": _KEPT,
        "names": NAME_SERVER,
    }
    word = secrets.token_hex(16)
    given = {**(environment or {}), _WATCH_WORD: word}
    made = subject.task(
        *isolated(subject), source("watch"), json.dumps(task), environment=given, mounts=mounts,
        timeout=bounds.seconds + _GRACE,
    )  # fmt: skip
    bounded = {
        "memory": bounds.memory,
        "processes": bounds.processes,
        "read_only": True,
        "scratch": (_HOME, SCRATCH, *scratch),
        "watched": True,
    }
    result = subject.containers.run(made.model_copy(update=bounded))
    if result.status == 137:
        raise SekishoError(f"{label} was killed with all that was beside it, as where memory ends ({_mb(bounds)})")
    found = heard("watch", word, result, Watched)
    subject.watches[label] = found
    return found


def fault(found: Watched, bounds: Bounds) -> str:
    """Say in one sentence why a run failed, or nothing."""
    last = printable(" | ".join(line.strip() for line in found.output.strip().splitlines()[-3:])[-400:]) or "none"
    if found.limits.get("memory"):
        return f"needed more memory than it may have ({_mb(bounds)}) and was killed; its last words: {last}"
    if found.limits.get("processes"):
        return f"wanted more than {bounds.processes} processes at once; its last words: {last}"
    if not found.in_time:
        return f"did not end within {bounds.seconds} seconds and was killed; its last words: {last}"
    return f"ended with status {found.status}; its last words: {last}" if found.status else ""


def watched_probe(
    subject: Subject, name: str, shape: type[Found], *arguments: str, bounds: Bounds, scratch: tuple[str, ...] = ()
) -> Found:
    """Run ``probes/<name>.py`` as ``probe`` does, and watch it."""
    word = secrets.token_hex(16)
    command = (*isolated(subject), source(name), *arguments)
    found = watch(subject, name, *command, bounds=bounds, environment={WORD: word}, scratch=scratch)
    wrong = fault(found, bounds)
    if wrong:
        raise SekishoError(f"the probe {name} {wrong}")
    return heard(name, word, ContainerResult(status=found.status, output=found.output), shape)


def _mb(bounds: Bounds) -> str:
    return f"{bounds.memory >> 20} MB"
