"""``sekisho lock``: write an image's approved lock beside its definition, and commit it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sekisho.cli.ask import connect
from sekisho.cli.frame import emit, json_option
from sekisho.definitions import read_definition
from sekisho.errors import ConflictError, MissingToolError
from sekisho.lock import LOCK_FILE, Lock, to_requirements
from sekisho.model import ImageDefinition
from sekisho.settings import load_settings
from sekisho.store import write_atomically


@click.command()
@click.argument("image")
@click.option("--commit/--no-commit", default=True, show_default=True, help="Commit the file in its git repository.")
@json_option
def lock(image: str, *, commit: bool, as_json: bool) -> None:
    """Write images/IMAGE/requirements.lock from the newest approved request for IMAGE."""
    settings = load_settings()
    definition = read_definition(settings.images, image)
    with connect(settings) as portal:
        rows = [row for row in portal.requests() if row["request"].get("image") == image]
    found, requester = _newest(definition, rows)
    path = settings.images / image / LOCK_FILE
    text = to_requirements(found)
    changed = not path.exists() or path.read_text() != text
    if changed:
        write_atomically(path, text.encode())
    committed = commit and _commit(path, requester, f"Lock {image}: {len(found.artifacts)} packages")
    result = {"path": str(path), "packages": len(found.artifacts), "changed": changed, "committed": committed}
    said = "committed" if committed else "written" if changed else "unchanged"
    emit(result, as_json=as_json, text=lambda: f"{path}: {len(found.artifacts)} packages, {said}")


def _newest(definition: ImageDefinition, rows: Sequence[dict[str, Any]]) -> tuple[Lock, str]:
    """Return the newest lock that fits the definition, and who asked for it; ``rows`` are newest first."""
    image = definition.name
    if rows and rows[0]["state"] == "approved" and not rows[0].get("lock"):
        raise ConflictError(f"request {rows[0]['id']} is being locked", todo="try again in a moment")
    locked = [row for row in rows if row.get("lock")]
    if not locked:
        raise ConflictError(
            f"no request for image {image} has been approved and locked yet",
            todo=f"ask with `sekisho request --image {image}`, have it approved, and run this again",
        )
    wanted = (definition.requirements, definition.conda, definition.target, definition.resolve_before)
    for row in locked:
        found = Lock.parse(row["lock"], where=f"lock of request {row['id']}")
        if (found.direct, found.conda, found.target, found.resolve_before) == wanted:
            return found, str(row["request"]["requester"])
    raise ConflictError(
        f"images/{image}/image.yaml has changed since request {locked[0]['id']} was made",
        todo=f"ask again with `sekisho request --image {image}`",
    )


def _commit(path: Path, requester: str, message: str) -> bool:
    """Commit one file if it differs from the last commit; tell whether it did.

    Where git does not know whose commits these are, they are the requester's.
    """

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(path.parent), *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    git("add", "--", path.name)
    if git("diff", "--cached", "--quiet", "--", path.name).returncode == 0:
        return False
    stand_in = {"user.name": requester, "user.email": f"{requester}@sekisho.invalid"}
    unset = [f"{key}={value}" for key, value in stand_in.items() if not git("config", key).stdout.strip()]
    who = [word for setting in unset for word in ("-c", setting)]
    done = git(*who, "commit", "--quiet", "-m", message, "--", path.name)
    if done.returncode != 0:
        raise MissingToolError(
            f"git could not commit the lock: {done.stderr.strip()}",
            where=str(path),
            todo="commit the file yourself, or use --no-commit",
        )
    return True
