"""An allowlists tree as texts: a folder as it lies there, or a revision of the git repository that it is in."""

import io
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from sekisho.allowlist import LARGEST_FILE, is_allowed_name
from sekisho.errors import BadInputError, ConflictError, NotFoundError
from sekisho.model import Record
from sekisho.store import new_folder

_LARGEST_TREE = 256_000_000
_PATIENCE = 120


def read_tree(name: str, folder: Path) -> Mapping[str, str | None]:
    """Return {relative path: text} of the folder ``name``, or else of the revision ``name`` of the tree in ``folder``.

    Only files named ``….yaml`` are part of a tree; one that is no plain file, or too large, has no text. Raises
    ``NotFoundError`` if there is neither.
    """
    path = Path(name)
    return _folder(path) if path.is_dir() else _revision(name, folder)


def _folder(folder: Path) -> dict[str, str | None]:
    found = {}
    for path in sorted(folder.rglob("*.yaml")):
        plain = path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_FILE
        found[path.relative_to(folder).as_posix()] = path.read_text(errors="replace") if plain else None
    return found


def revision_of(name: str, folder: Path) -> str:
    """Return the id of the commit that ``name`` means; raise ``NotFoundError`` if there is none."""
    done = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    if done.returncode:
        raise NotFoundError(f"there is no revision {name[:80]}", where=str(folder), todo="commit the allowlists tree")
    return done.stdout.decode().strip()


def read_history(revision: str, folder: Path, paths: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield every version of files of the tree up to ``revision``, newest first, each with who committed it when."""
    for path in paths:
        told = _git(folder, "log", "--format=%H%x00%cI%x00%an%x00%s", revision, "--", path).stdout
        for line in told.decode(errors="replace").splitlines():
            commit, at, author, subject = line.split("\0")
            text = _git(folder, "show", f"{commit}:./{path}")
            if not text.returncode:
                words = {"path": path, "revision": commit, "at": at, "author": author, "subject": subject}
                yield {**words, "text": text.stdout.decode(errors="replace")}


class Place(Record):
    """Where a tree lies in its repository (``prefix``, with a slash behind it), its branch and its newest commit."""

    prefix: str
    branch: str
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")]


def save_tree(folder: Path, target: Path) -> Place:
    """Write the whole history of the tree into a git bundle at ``target``; return where it lay."""
    place = Place(
        prefix=_said(folder, "rev-parse", "--show-prefix"),
        branch=_said(folder, "branch", "--show-current"),
        revision=revision_of("HEAD", folder),
    )
    _said(folder, "bundle", "create", "--quiet", str(target.absolute()), "HEAD", "--branches")
    return place


def clone_tree(bundle: Path, folder: Path, place: Place) -> None:
    """Make the repository in whose sub-folder the tree lay anew, so that the tree is at ``folder``, as it was then."""
    root = folder.absolute()
    for part in reversed(Path(place.prefix).parts):
        if root.name != part:
            raise ConflictError(
                f"the tree was {place.prefix} in its repository, and this is another place",
                where=str(folder),
                todo="set SEKISHO_ALLOWLISTS to a folder of that name",
            )
        root = root.parent
    root.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(root) as half:
        _said(half, "clone", "--quiet", "--no-checkout", str(bundle.absolute()), ".")
        branch = ("-B", place.branch) if place.branch else ("--detach",)
        _said(half, "checkout", "--quiet", *branch, place.revision)
        _said(half, "remote", "remove", "origin")


def tree_has(folder: Path, revision: str) -> bool:
    """Tell whether the tree in ``folder`` is of commit ``revision`` or a later one."""
    return _git(folder, "merge-base", "--is-ancestor", revision, "HEAD").returncode == 0


def _said(folder: Path, *arguments: str) -> str:
    done = _git(folder, *arguments)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise NotFoundError(f"git {arguments[0]}: {said[-500:]}", where=str(folder))
    return done.stdout.decode(errors="replace").strip()


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFoundError(f"git does not answer: {error}", where=str(folder)) from error


def _revision(name: str, folder: Path) -> dict[str, str | None]:
    done = _git(folder, "archive", "--format=tar", "--end-of-options", name, ".")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotFoundError(
            f"{name} is no folder, and no revision either: {said[-1][:200] if said else 'git says nothing'}",
            where=str(folder),
            todo="name a folder that holds policy.yaml, or a commit, branch or tag",
        )
    if len(done.stdout) > _LARGEST_TREE:
        raise BadInputError(f"the tree is larger than {_LARGEST_TREE} bytes", where=name)
    found: dict[str, str | None] = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if path.endswith(".yaml") and is_allowed_name(path):
                file = archive.extractfile(member) if member.isfile() and member.size <= LARGEST_FILE else None
                found[path] = file.read().decode(errors="replace") if file else None
    return found
