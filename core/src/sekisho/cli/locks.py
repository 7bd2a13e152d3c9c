"""``sekisho lock``: write an image's approved lock beside its definition, and commit it."""

import subprocess
from pathlib import Path

import click

from sekisho.cli.ask import connect, read_definition
from sekisho.cli.frame import emit, json_option
from sekisho.errors import ConflictError, MissingToolError
from sekisho.lock import LOCK_FILE, Lock, to_requirements
from sekisho.settings import load_settings
from sekisho.store import write_atomically


@click.command()
@click.argument("image")
@click.option("--commit/--no-commit", default=True, show_default=True, help="Commit the file in its git repository.")
@json_option
def lock(image: str, *, commit: bool, as_json: bool) -> None:
    """Write images/IMAGE/requirements.lock from the newest approved request for IMAGE."""
    settings = load_settings()
    definition = read_definition(settings, image)
    with connect(settings) as portal:
        rows = [row for row in portal.requests() if row["request"].get("image") == image and row.get("lock")]
        if not rows:
            raise ConflictError(
                f"no request for image {image} has been approved and locked yet",
                todo=f"ask with `sekisho request --image {image}`, have it approved, and run this again",
            )
        found = Lock.parse(portal.status(rows[0]["id"])["lock"], where=f"lock of request {rows[0]['id']}")
    if (found.direct, found.target) != (definition.requirements, definition.target):
        raise ConflictError(
            f"images/{image}/image.yaml has changed since request {rows[0]['id']} was made",
            todo=f"ask again with `sekisho request --image {image}`",
        )
    path = settings.images / image / LOCK_FILE
    text = to_requirements(found)
    changed = not path.exists() or path.read_text() != text
    if changed:
        write_atomically(path, text.encode())
    committed = commit and _commit(path, f"Lock {image}: {len(found.artifacts)} packages")
    result = {"path": str(path), "packages": len(found.artifacts), "changed": changed, "committed": committed}
    said = "committed" if committed else "written" if changed else "unchanged"
    emit(result, as_json=as_json, text=lambda: f"{path}: {len(found.artifacts)} packages, {said}")


def _commit(path: Path, message: str) -> bool:
    """Commit one file if it differs from the last commit; tell whether it did."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(path.parent), *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    git("add", "--", path.name)
    if git("diff", "--cached", "--quiet", "--", path.name).returncode == 0:
        return False
    done = git("commit", "--quiet", "-m", message, "--", path.name)
    if done.returncode != 0:
        raise MissingToolError(
            f"git could not commit the lock: {done.stderr.strip()}",
            where=str(path),
            todo="commit the file yourself, or use --no-commit",
        )
    return True
