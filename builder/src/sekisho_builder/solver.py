"""uv, asked over the candidate mount: requirements, what to prefer and what to leave out → one release per project.

It gets no configuration of this machine, and takes what looks like a wheel alone, so it builds nothing and no foreign
code runs. What is preferred goes in as an earlier answer (uv keeps its releases where they fit, of several the
highest), what is left out as constraints.
"""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sekisho.bare import bare
from sekisho.errors import BadInputError, MissingToolError, UnresolvableError, UpstreamError
from sekisho.model import Request, normalize_project
from sekisho_builder.candidates import Candidates
from sekisho_builder.programs import Run

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<release>[^\s;]+)(?:\s+#\s+via\s+(?P<via>.*))?$")
_HELD = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])? @ file:\S+(?:\s+#\s+via\s+(?P<via>.*))?$")
_REASON = re.compile(r"Server message: ([^;\n]*)")
"""How uv passes on what the proxy said of a page that it could not give (RFC 9457)."""

_UNDATED = re.compile(r"`([^`\s]+)` is missing an upload date")
_TIMEOUT = 300
_PASSED_ON = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""No ``*_PROXY`` among them: the index is the proxy itself."""

_ARCHIVES = (
    ".whl",
    ".zip",
    ".egg",
    ".tar",
    ".tgz",
    ".tbz",
    ".txz",
    ".tlz",
    ".gz",
    ".bz2",
    ".xz",
    ".lz",
    ".lzma",
    ".zst",
)

_RETRIES = "1"
"""The proxy asks an upstream several times by itself; more here would only multiply the waiting."""


class Pin(NamedTuple):
    """One line of the resolver's answer; ``via`` are the projects that need it, none for a direct requirement.

    What is installed already has no ``release``: it is no part of the answer.
    """

    project: str
    release: str
    via: tuple[str, ...]


class Wish(NamedTuple):
    """What is asked for, and by project which releases are preferred, and which are out."""

    requirements: tuple[str, ...]
    preferred: Mapping[str, Collection[str]] = {}
    hidden: Mapping[str, Collection[str]] = {}


class Solver:
    """Asks uv about one request, as often as need be; what it read once is kept until the end.

    With ``sources`` source stands in for wheels that are not there; uv builds nothing either way. What is
    ``installed``, releases by project, is not resolved: it is there as it is, and what it needs is, too.
    """

    def __init__(
        self,
        request: Request,
        proxy: Candidates,
        run: Run,
        *,
        sources: bool = False,
        installed: Mapping[str, str] | None = None,
    ) -> None:
        self._request = request
        self._index = proxy.index_url(request.target) if sources else proxy.index_url()
        self._ca = proxy.ca
        self._run = run
        self._room = tempfile.TemporaryDirectory(prefix="sekisho-resolve-")
        self._folder = Path(self._room.name)
        self._home = self._folder / "home"
        self._home.mkdir()
        self._constraints = [asked([text]) for text in request.constraints]
        for project, release in sorted((installed or {}).items()):
            self._constraints.append(f"{project} @ {stand_in(project, release, self._folder).as_uri()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.cleanup()

    def __call__(self, wish: Wish) -> list[Pin]:
        """Return what uv chose; raise ``UnresolvableError`` with its derivation when nothing fits."""
        given = asked(wish.requirements)
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment = {
            **kept,
            "HOME": str(self._home),
            "UV_DEFAULT_INDEX": self._index,
            "UV_HTTP_RETRIES": _RETRIES,
        }
        if ca := self._ca:
            environment["SSL_CERT_FILE"] = str(believed(ca, kept.get("SSL_CERT_FILE"), self._folder))
        command = self._command(wish)
        try:
            done = self._run(command, environment=environment, timeout=_TIMEOUT, given=given, folder=self._home)
        except FileNotFoundError as error:
            raise MissingToolError("uv is not installed", todo="install the builder's requirements again") from error
        except subprocess.TimeoutExpired as error:
            raise UpstreamError(
                f"resolving took more than {_TIMEOUT} seconds", todo="try again, or ask for fewer packages at once"
            ) from error
        if done.status:
            raise explain(done.errors, self._request)
        return parse_pins(done.output)

    def _command(self, wish: Wish) -> list[str]:
        target = self._request.target
        command = [
            uv.find_uv_bin(), "pip", "compile", "-", "--no-header", "--annotation-style", "line",
            "--cache-dir", str(self._folder / "cache"),
            "--no-config", "--only-binary", ":all:", "--no-python-downloads", "--color", "never",
            "--python", sys.executable,
            "--python-version", target.python,
            "--python-platform", f"{target.arch}-manylinux_{target.glibc.replace('.', '_')}",
        ]  # fmt: skip
        if self._request.resolve_before:
            command += ["--exclude-newer", self._request.resolve_before.isoformat()]
        if wish.preferred:
            command += ["--output-file", str(self._write("preferred.txt", "==", wish.preferred))]
        if self._constraints:
            path = self._folder / "constraints.txt"
            path.write_text("\n".join(self._constraints))
            command += ["--constraint", str(path)]
        if wish.hidden:
            command += ["--constraint", str(self._write("hidden.txt", "!=", wish.hidden))]
        return command

    def _write(self, name: str, operator: str, releases: Mapping[str, Collection[str]]) -> Path:
        path = self._folder / name
        lines = (f"{project}{operator}{release}\n" for project in sorted(releases) for release in releases[project])
        path.write_text("".join(lines))
        return path


def believed(ca: Path, more: str | None, folder: Path) -> Path:
    """Return a file with the authorities of ``ca`` and of ``more``: tools believe those of one file."""
    path = folder / "authorities.pem"
    path.write_bytes(b"\n".join(Path(name).read_bytes() for name in (ca, more) if name))
    return path


def asked(requirements: Iterable[str]) -> str:
    """Write requirements anew for uv, which opens a name like ``x-1.0-py3-none-any.whl`` as a file of this machine.

    Raises ``BadInputError`` for a name of a file, for an address, and for what is no requirement.
    """
    lines = []
    for text in requirements:
        try:
            found = Requirement(text)
        except InvalidRequirement as error:
            raise BadInputError(f"{text[:120]!r} is no requirement: {error}", where="the request") from error
        if found.url is not None or found.name.lower().endswith(_ARCHIVES):
            raise BadInputError(
                f"{text[:120]!r} names a file, not a project", where="the request", todo="ask for NAME or NAME==VERSION"
            )
        extras = f"[{','.join(sorted(map(canonicalize_name, found.extras)))}]" if found.extras else ""
        marker = f" ; {found.marker}" if found.marker else ""
        lines.append(f"{canonicalize_name(found.name)}{extras}{found.specifier}{marker}")
    return "\n".join(lines)


def stand_in(project: str, release: str, folder: Path) -> Path:
    """Write a wheel that says that a release is there, and needs nothing; return where it is.

    As a constraint it makes uv take this release, and hold every other requirement to it.
    """
    name = project.replace("-", "_")
    info = f"{name}-{release}.dist-info"
    path = folder / f"{name}-{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {release}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def explain(said: str, request: Request) -> UnresolvableError | UpstreamError:
    """Turn uv's last words into ours: its derivation is the chain that a person needs. Tokens in addresses go."""
    lines = [line.rstrip() for line in bare(said).splitlines() if line.strip() and not line.startswith("warning:")]
    text = "\n".join(lines).removeprefix("error: ")
    if "No solution found" in text or "not found in the package registry" in text or "no versions" in text:
        undated = sorted({name.partition("-")[0].replace("_", "-").lower() for name in _UNDATED.findall(said)})
        todo = f"{', '.join(undated)}: the index states no upload times, so `resolve-before` leaves all out; remove it"
        return UnresolvableError(
            text,
            where=f"requirements: {', '.join(request.requirements)}",
            todo=todo if undated else "change the requirement that it names",
        )
    reason = _REASON.search(text)  # the proxy's sentence and where; what to do about it follows below
    return UpstreamError(
        f"the resolver could not read the index: {reason[1] if reason else text}",
        where="the proxy's candidate mount",
        todo="try again later",
    )


def parse_pins(text: str) -> list[Pin]:
    """Read uv's answer; raise ``UpstreamError`` for a line that is no pin."""
    pins = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _PIN.match(line.strip())
        held = None if match else _HELD.match(line.strip())
        if match is None and held is None:
            raise UpstreamError(f"the resolver answered something else than a pin: {line[:120]!r}")
        found, release = (match, match["release"]) if match else (cast("re.Match[str]", held), "")
        pins.append(Pin(normalize_project("pypi", found["name"]), release, tuple(_via(found["via"] or ""))))
    return pins


def _via(text: str) -> Iterable[str]:
    for name in text.split(","):
        bare = name.strip().partition("[")[0]
        if bare and not bare.startswith("-"):
            yield normalize_project("pypi", bare)


def uv_version() -> str:
    """Return uv's version."""
    done = subprocess.run([uv.find_uv_bin(), "--version"], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.split()[1]
