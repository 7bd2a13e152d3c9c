"""An allowlists tree in a sub-folder of a git repository, and what people do to it."""

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

POLICY = """
version: 1
rules:
  - {id: no-evil, check: denied, projects: [evil]}
  - {id: licence, check: license, then: review, allow: [MIT]}
  - {id: yanked, check: yanked, then: deny}
"""
SOURCES = "sources: [{id: pypi, preset: pypi}]\n"


@cache
def _first_commit() -> Path:
    """Make the repository that every other one is a copy of: copying it is five times faster than making it."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tree = folder / "deep" / "allowlists"
    tree.mkdir(parents=True)
    (folder / "README.md").write_text("not part of the tree\n")
    (tree / "policy.yaml").write_text(POLICY)
    (tree / "sources.yaml").write_text(SOURCES)
    for command in (
        ["init", "--quiet", "--initial-branch=main", "--template="],
        ["add", "."],
        ["commit", "--quiet", "--message", "first"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "deep" / "allowlists"
        shutil.copytree(_first_commit(), folder)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, changes: Mapping[str, str], message: str = "by hand") -> str:
        """Commit as a person does: write files, add, commit."""
        for path, text in changes.items():
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / path).write_text(text)
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--message", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def count(self) -> int:
        return int(self.git("rev-list", "--count", "HEAD"))

    def show(self, path: str) -> str:
        """Return what is committed, whatever the work tree shows."""
        return self.git("show", f"HEAD:deep/allowlists/{path}")
