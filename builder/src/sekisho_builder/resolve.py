"""Request → closure: the versions by uv, the one file per project by the target's own order of tags.

uv reads the candidate mount: metadata of everything that is not denied, files of nothing. It gets no configuration of
this machine, and source distributions never count, so nothing is built and no foreign code runs.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import BuildTag, InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from sekisho.errors import BadInputError, MissingToolError, UnresolvableError, UpstreamError
from sekisho.model import Artifact, Closure, Edge, Request, Target, normalize_project
from sekisho_builder.programs import Programs, Run
from sekisho_builder.proxy import Proxy

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<release>[^\s;]+)(?:\s+#\s+via\s+(?P<via>.*))?$")
_SECRET = re.compile(r"//[^/@\s]*@")
_GLIBC_FLOOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
_REASON = re.compile(r"Server message: ([^;\n]*)")
"""How uv passes on what the proxy said of a page that it could not give (RFC 9457)."""

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
    """One line of the resolver's answer; ``via`` are the projects that need it, none for a direct requirement."""

    project: str
    release: str
    via: tuple[str, ...]


def platforms(target: Target) -> list[str]:
    """Return the target's platform tags, best first: built on the spot, then PEP 600 and its older spellings."""
    major, newest = target.glibc_version
    tags = [f"linux_{target.arch}"]
    for minor in range(newest, _GLIBC_FLOOR[target.arch] - 1, -1):
        tags.append(f"manylinux_{major}_{minor}_{target.arch}")
        if old := _LEGACY.get((major, minor)):
            tags.append(f"{old}_{target.arch}")
    return tags


def wheel_tags(target: Target) -> list[Tag]:
    """Return every tag that the target accepts, best first."""
    minor = target.python_minor
    abi = f"cp{minor[0]}{minor[1]}"
    where = platforms(target)
    return [
        *cpython_tags(minor, [abi, "abi3", "none"], where),
        *compatible_tags(minor, abi, where),
    ]


def resolve(request: Request, proxy: Proxy, told: Callable[[int, int], None], run: Run | None = None) -> Closure:
    """Resolve a request on its target; raise ``UnresolvableError`` with the resolver's chain when nothing fits.

    ``run`` runs uv.
    """
    proxy.answers()
    try:
        pins = _ask_uv(request, proxy.index_url(), run or Programs().run, proxy.ca)
    except UpstreamError:
        proxy.answers()  # or else its silence was the cause
        raise
    ranks = {tag: rank for rank, tag in enumerate(wheel_tags(request.target))}

    def choose(pin: Pin) -> Artifact:
        files = proxy.artifacts(pin.project, pin.release)
        return proxy.with_metadata(best_wheel(pin, files, ranks, request))

    artifacts: list[Artifact] = []
    with ThreadPoolExecutor(8) as pool:
        for done, artifact in enumerate(pool.map(choose, pins), 1):
            artifacts.append(artifact)
            told(done, len(pins))
    return Closure(
        request=request.digest(),
        target=request.target,
        direct=request.requirements,
        resolver=f"uv {uv_version()}",
        resolve_before=request.resolve_before,
        artifacts=tuple(artifacts),
        edges=tuple(Edge(project=above, needs=pin.project) for pin in pins for above in pin.via),
    )


def best_wheel(pin: Pin, files: Sequence[Artifact], ranks: Mapping[Tag, int], request: Request) -> Artifact:
    """Return the wheel that an installer on the target would take: best tag, then highest build number."""

    def rank(artifact: Artifact) -> tuple[int, BuildTag] | None:
        try:
            _, _, build, tags = parse_wheel_filename(artifact.filename)
        except InvalidWheelFilename:
            return None
        found = [ranks[tag] for tag in tags if tag in ranks]
        return (-min(found), build) if found else None

    before, hashes = request.resolve_before, request.hashes.get(pin.project)
    in_time = [a for a in files if before is None or (a.uploaded is not None and a.uploaded < before)]
    fitting = [(r, a) for a in sorted(in_time, key=lambda a: a.filename) if (r := rank(a))]
    ranked = [row for row in fitting if hashes is None or row[1].sha256 in hashes]
    if not ranked:
        which = f" that has one of the {len(hashes)} hashes asked for" if hashes and fitting else ""
        raise UnresolvableError(
            f"{pin.project} {pin.release} has no wheel for {request.target}{which}",
            where=f"needed by {', '.join(pin.via) or 'the request'}",
            todo="ask for another version, or for another target",
        )
    return max(ranked, key=lambda row: row[0])[1]


def _ask_uv(request: Request, index: str, run: Run, ca: Path | None) -> list[Pin]:
    given = asked(request.requirements)
    arch = request.target.arch
    command = [
        uv.find_uv_bin(), "pip", "compile", "-", "--no-header", "--annotation-style", "line", "--no-cache",
        "--no-config", "--only-binary", ":all:", "--no-python-downloads", "--color", "never",
        "--python", sys.executable,
        "--python-version", request.target.python,
        "--python-platform", f"{arch}-manylinux_{request.target.glibc.replace('.', '_')}",
    ]  # fmt: skip
    if request.resolve_before:
        command += ["--exclude-newer", request.resolve_before.isoformat()]
    with tempfile.TemporaryDirectory(prefix="sekisho-resolve-") as empty:
        if request.constraints:
            path = Path(empty, "constraints.txt")
            path.write_text(asked(request.constraints))
            command += ["--constraints", str(path)]
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment = {**kept, "HOME": empty, "UV_DEFAULT_INDEX": index, "UV_HTTP_RETRIES": _RETRIES}
        if ca:
            environment["SSL_CERT_FILE"] = str(_believed(ca, kept.get("SSL_CERT_FILE"), Path(empty)))
        try:
            done = run(command, environment=environment, timeout=_TIMEOUT, given=given, folder=Path(empty))
        except FileNotFoundError as error:
            raise MissingToolError("uv is not installed", todo="install the builder's requirements again") from error
        except subprocess.TimeoutExpired as error:
            raise UpstreamError(
                f"resolving took more than {_TIMEOUT} seconds", todo="try again, or ask for fewer packages at once"
            ) from error
    if done.status:
        raise explain(done.errors, request)
    return parse_pins(done.output)


def _believed(ca: Path, more: str | None, folder: Path) -> Path:
    """Return a file with the authorities of ``ca`` and of ``more``: uv believes those of one file."""
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


def explain(said: str, request: Request) -> UnresolvableError | UpstreamError:
    """Turn uv's last words into ours: its derivation is the chain that a person needs. Tokens in addresses go."""
    lines = [
        line.rstrip()
        for line in _SECRET.sub("//", said).splitlines()
        if line.strip() and not line.startswith("warning:")
    ]
    text = "\n".join(lines).removeprefix("error: ")
    if "No solution found" in text or "not found in the package registry" in text or "no versions" in text:
        return UnresolvableError(
            text, where=f"requirements: {', '.join(request.requirements)}", todo="change the requirement that it names"
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
        if match is None:
            raise UpstreamError(f"the resolver answered something else than a pin: {line[:120]!r}")
        pins.append(Pin(normalize_project("pypi", match["name"]), match["release"], tuple(_via(match["via"] or ""))))
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
