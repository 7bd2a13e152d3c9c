"""The allowlists tree in git. The portal is the only committer of approvals.

Only what is committed counts. A commit is built beside the index and becomes visible by one compare-and-swap of the
branch, so a crash leaves either the old tree or the new one, and a person's concurrent push is never overwritten.
"""

import logging
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sekisho.allowlist import is_allowed_name
from sekisho.errors import BadInputError, ConflictError, CorruptError, MissingToolError, NotFoundError, SekishoError

_LOG = logging.getLogger("sekisho.portal")
_PLAIN = {"100644", "100755"}
_LARGEST_TREE = 256_000_000
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
            self.prefix = self._git("rev-parse", "--show-prefix").strip()
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

    def read(self) -> tuple[str, Mapping[str, str | None]]:
        """Return (revision, {relative path: text}) of the newest commit.

        Links, submodules and files with a name that is not allowed have no text: git is only ever asked for the ids of
        plain files, and never for a name that somebody made up.
        """
        revision = self.revision()
        texts: dict[str, str | None] = {}
        blobs: list[tuple[str, str]] = []
        total = 0
        for row in self.git("ls-tree", "-r", "-z", "--long", revision, "--", ".").split(b"\0"):
            told, _, name = row.partition(b"\t")
            path = name.decode(errors="backslashreplace")
            if not path.endswith(".yaml"):
                continue
            mode, _, blob, size = told.decode().split()
            texts[path] = None
            if mode in _PLAIN and is_allowed_name(path):
                if not size.isdecimal():
                    raise CorruptError(f"git does not have the content of {path}", where=str(self.folder))
                blobs.append((path, blob))
                total += int(size)
        if total > _LARGEST_TREE:
            raise BadInputError(
                f"the allowlists tree is larger than {_LARGEST_TREE} bytes", where=f"revision {revision[:12]}"
            )
        answer = self.git("cat-file", "--batch", stdin="".join(f"{blob}\n" for _, blob in blobs).encode())
        at = 0
        for path, blob in blobs:
            end = answer.find(b"\n", at)
            header = answer[at:end].split()
            if len(header) != 3 or header[0].decode() != blob:
                raise CorruptError(f"git does not have the content of {path}", where=str(self.folder))
            at = end + 1 + int(header[2]) + 1
            texts[path] = answer[end + 1 : at - 1].decode(errors="replace")
        return revision, texts

    def commit(self, changes: Mapping[str, str], *, base: str, message: str, trailers: Sequence[str]) -> str:
        """Commit ``changes``, made from revision ``base``; raise ``ConflictError`` if somebody else committed since."""
        with tempfile.TemporaryDirectory(prefix="sekisho-index-") as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self._git("read-tree", base, extra=index)
            rows = []
            for path, text in changes.items():
                blob = self._git("hash-object", "-w", "--stdin", stdin=text)
                rows.append(f"100644 {blob.strip()}\t{self.prefix}{path}\n")
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

    def _git(self, *arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None) -> str:
        return self.git(*arguments, stdin=stdin.encode(), extra=extra).decode()

    def git(self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        """Return what git prints; raise ``SekishoError`` with what it complains of."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=stdin, capture_output=True, check=False, timeout=60, env={**os.environ, **(extra or {})},
            )  # fmt: skip
        except FileNotFoundError as error:
            raise MissingToolError("git is not installed", todo="install git") from error
        except subprocess.TimeoutExpired as error:
            raise SekishoError(f"git {arguments[0]} does not end", where=str(self.folder)) from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise SekishoError(f"git {arguments[0]}: {said}", where=str(self.folder))
        return done.stdout
