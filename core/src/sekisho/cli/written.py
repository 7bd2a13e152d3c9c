"""Locks as files: where each lies, whether it changed, and its commit where it belongs to an image."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sekisho.cli.locking import UNIFIED, Found
from sekisho.errors import BadInputError, MissingToolError
from sekisho.lock import FORMATS, DoorAddress, under_header, write_lock
from sekisho.store import write_atomically

_PIP_ONLY = "requirements"


def write_locks(
    found: Found, formats: Sequence[str], door: DoorAddress, *, output: str | None, commit: bool
) -> list[dict[str, Any]]:
    """Write a lock in each format; return for each file its path, its packages, and what became of it.

    Every text is made before anything is written. A person is told what a file leaves out.
    """
    names = tuple(dict.fromkeys(formats)) or _usual(found)
    if output is not None and len(names) > 1 and not Path(output).is_dir():
        raise BadInputError(
            f"{len(names)} formats do not go into one file", where=f"--output {output}", todo="name a folder"
        )
    texts = {name: _text(found, name, door) for name in names}
    for name in names:
        if left := FORMATS[name].left_out(found.lock):
            click.echo(
                f"sekisho: {FORMATS[name].file} leaves out {len(left)} of {len(found.lock.artifacts)} packages,"
                f" which are {left[0].kind}; they go into another --format",
                err=True,
            )
    if output == "-":
        click.echo(texts[names[0]], nl=False)
        return []
    rows = [_write(found, name, texts[name], _path(found, name, output)) for name in names]
    if found.requester is not None and commit:
        message = f"Lock {found.lock.name}: {len(found.lock.artifacts)} packages"
        done = _commit([Path(row["path"]) for row in rows], found.requester, message)
        rows = [{**row, "committed": done} for row in rows]
    return rows


def _usual(found: Found) -> tuple[str, ...]:
    """Return the formats of a lock without a word on them; beside an image, both parts of a mixed one are seen."""
    conda, wheels = found.lock.of("conda"), found.lock.of("pypi")
    if not conda:
        return (_PIP_ONLY,)
    return (_PIP_ONLY, UNIFIED) if found.requester is not None and wheels else (UNIFIED,)


def _text(found: Found, name: str, door: DoorAddress) -> str:
    if name == UNIFIED and found.unified is not None:
        return under_header(found.lock, found.unified)
    return write_lock(found.lock, name, door)


def _path(found: Found, name: str, output: str | None) -> Path:
    if output is None:
        return found.folder / FORMATS[name].file
    return Path(output) / FORMATS[name].file if Path(output).is_dir() else Path(output)


def _write(found: Found, name: str, text: str, path: Path) -> dict[str, Any]:
    changed = not path.exists() or path.read_text() != text
    if changed:
        write_atomically(path, text.encode())
    held = len(found.lock.artifacts) - len(FORMATS[name].left_out(found.lock))
    return {"path": str(path), "packages": held, "changed": changed, "committed": False}


def _commit(paths: Sequence[Path], requester: str, message: str) -> bool:
    """Commit files of one folder if they differ from the last commit; tell whether they did.

    Where git does not know whose commits these are, they are the requester's.
    """
    names = [path.name for path in paths]

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(paths[0].parent), *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    git("add", "--", *names)
    if git("diff", "--cached", "--quiet", "--", *names).returncode == 0:
        return False
    stand_in = {"user.name": requester, "user.email": f"{requester}@sekisho.invalid"}
    unset = [f"{key}={value}" for key, value in stand_in.items() if not git("config", key).stdout.strip()]
    who = [word for setting in unset for word in ("-c", setting)]
    done = git(*who, "commit", "--quiet", "-m", message, "--", *names)
    if done.returncode != 0:
        raise MissingToolError(
            f"git could not commit the lock: {done.stderr.strip()}",
            where=str(paths[0]),
            todo="commit the file yourself, or use --no-commit",
        )
    return True
