"""The allowlists tree in git. The portal is the only committer of approvals.

Only what is committed counts. A commit is built beside the index and becomes visible by one compare-and-swap of the
branch, so a crash leaves either the old tree or the new one, and a person's concurrent push is never overwritten.
"""

import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sekisho.errors import ConflictError, MissingToolError, NotFoundError, SekishoError

_LOG = logging.getLogger("sekisho.portal")
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Sekisho portal",
    "GIT_AUTHOR_EMAIL": "portal@sekisho.invalid",
    "GIT_COMMITTER_NAME": "Sekisho portal",
    "GIT_COMMITTER_EMAIL": "portal@sekisho.invalid",
}


class GitTree:
    """A folder inside a git repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise NotFoundError(
                "the allowlists tree does not exist", where=str(folder), todo="set SEKISHO_ALLOWLISTS to its folder"
            )
        try:
            self._prefix = self._git("rev-parse", "--show-prefix").strip()
            self._git("rev-parse", "--verify", "HEAD")
        except SekishoError as error:
            raise NotFoundError(
                "the allowlists tree is not in a git repository with a first commit",
                where=str(folder),
                todo=f"run: git -C {folder} init && git -C {folder} add . && git -C {folder} commit -m 'Allowlists'",
            ) from error

    def revision(self) -> str:
        """Return the id of the newest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def read(self) -> tuple[str, Mapping[str, str]]:
        """Return (revision, {relative path: text}) of the newest commit."""
        revision = self.revision()
        names = self._git("ls-tree", "-r", "-z", "--name-only", revision, "--", ".").split("\0")
        paths = [name for name in names if name.endswith(".yaml")]
        asked = "".join(f"{revision}:{self._prefix}{path}\n" for path in paths)
        answer = self._git_bytes("cat-file", "--batch", stdin=asked.encode())
        texts: dict[str, str] = {}
        for path in paths:
            header, _, answer = answer.partition(b"\n")
            size = int(header.split()[2])
            texts[path] = answer[:size].decode(errors="replace")
            answer = answer[size + 1 :]
        return revision, texts

    def commit(self, changes: Mapping[str, str], *, base: str, message: str, trailers: Sequence[str]) -> str:
        """Commit ``changes``, made from revision ``base``; raise ``ConflictError`` if somebody else committed since."""
        with tempfile.TemporaryDirectory(prefix="sekisho-index-") as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self._git("read-tree", base, extra=index)
            rows = []
            for path, text in changes.items():
                blob = self._git("hash-object", "-w", "--stdin", stdin=text)
                rows.append(f"100644 {blob.strip()}\t{self._prefix}{path}\n")
            self._git("update-index", "--add", "--index-info", stdin="".join(rows), extra=index)
            content = self._git("write-tree", extra=index).strip()
        text = "\n\n".join((message, "\n".join(trailers)))
        new = self._git("commit-tree", content, "-p", base, stdin=text, extra=_IDENTITY).strip()
        try:
            self._git("update-ref", "-m", message, "HEAD", new, base)
        except SekishoError as error:
            if self.revision() == base:
                raise
            raise ConflictError("the allowlists tree was committed to at the same time", todo="try again") from error
        self.show(changes)
        return new

    def show(self, paths: Iterable[str]) -> None:
        """Make work tree and index show ``paths`` as they are committed, so that a person's commit takes none back."""
        try:
            self._git("checkout", "--quiet", "HEAD", "--", *paths)
        except SekishoError as error:  # only what is committed counts; the files are for people to look at
            _LOG.warning("the commit stands, but the work tree does not show it: %s", error)

    def find(self, trailer: str) -> str | None:
        """Return the revision of the commit that carries ``trailer``, if there is one."""
        found = self._git("log", "--format=%H", f"--grep=^{re.escape(trailer)}$", "-E", "--max-count=1")
        return found.strip() or None

    def _git(self, *arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None) -> str:
        return self._git_bytes(*arguments, stdin=stdin.encode(), extra=extra).decode()

    def _git_bytes(self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=stdin, capture_output=True, check=False, timeout=60, env={**os.environ, **(extra or {})},
            )  # fmt: skip
        except FileNotFoundError as error:
            raise MissingToolError("git is not installed", todo="install git") from error
        if done.returncode != 0:
            raise SekishoError(f"git {arguments[0]}: {done.stderr.decode().strip()}", where=str(self.folder))
        return done.stdout
