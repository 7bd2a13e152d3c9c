"""Where a tool runs: an empty home, and an environment that names one door and nothing of this machine."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from packaging.requirements import Requirement

from sekisho.errors import MissingToolError, UpstreamError
from sekisho.lock import ToLock
from sekisho_builder.programs import Programs, Said
from sekisho_builder.solver import believed

TOKEN = "SEKISHO_TOKEN"  # noqa: S105 (the name of a variable)
"""The variable that holds a token where a file can name one."""

_TIMEOUT = 600.0
_PASSED_ON = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""No ``*_PROXY`` among them: a door is reached directly."""


class Room:
    """A folder for one run of one tool, gone afterwards."""

    def __init__(self, *, token: str | None = None, ca: Path | None = None) -> None:
        self._room = tempfile.TemporaryDirectory(prefix="sekisho-lock-")
        self.folder = Path(self._room.name)
        self._home = self.folder / "home"
        self._home.mkdir()
        self._token = token
        self._ca = ca

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.cleanup()

    def write(self, name: str, text: str) -> Path:
        """Write a file of the room and return its path."""
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, command: Sequence[str], *, given: str = "", more: Mapping[str, str] | None = None) -> Said:
        """Run a tool to its end; raise ``MissingToolError`` if it is not there, ``UpstreamError`` when time is up."""
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment = {
            **kept,
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "PYTHONNOUSERSITE": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **(more or {}),
        }
        if self._token:
            environment[TOKEN] = self._token
        if self._ca:
            authorities = str(believed(self._ca, kept.get("SSL_CERT_FILE"), self.folder))
            environment |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"), authorities)
        try:
            return Programs().run(command, environment=environment, timeout=_TIMEOUT, given=given, folder=self.folder)
        except FileNotFoundError as error:
            raise MissingToolError(
                f"{Path(command[0]).name} is not installed", todo="install the builder's requirements again"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise UpstreamError(
                f"locking took more than {_TIMEOUT:g} seconds", todo="try again, or lock fewer packages at once"
            ) from error

    def with_login(self, url: str) -> str:
        """Return the address of an index with the token in it, for the environment of a tool."""
        if not self._token:
            return url
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"__token__:{quote(self._token, safe='')}@{parts.netloc}"))


def requirements_of(asked: ToLock) -> tuple[str, ...]:
    """Return the requirements that count on the target, without their markers."""
    rows = []
    for text in asked.requirements:
        wanted = Requirement(text)
        if asked.target.fits(wanted.marker):
            wanted.marker = None
            rows.append(str(wanted))
    return tuple(rows)
