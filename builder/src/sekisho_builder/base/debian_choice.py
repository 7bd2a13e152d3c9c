"""Which Debian packages an image needs beyond its base's: apt decides, from a mirror's signed lists."""

import gzip
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import httpx2

from sekisho.errors import BadInputError, MissingToolError, UpstreamError
from sekisho.model import ImageDefinition
from sekisho.store import BlobStore
from sekisho_builder.base.debian_lock import DebianLock, LockedDeb
from sekisho_builder.base.recipe import parse_status
from sekisho_builder.oci.layout import Layout
from sekisho_builder.programs import Programs, Run

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_STATUS = "var/lib/dpkg/status"
_RELEASES = ("usr/lib/os-release", "etc/os-release")
_TIMEOUT = 300
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy")
_URI = re.compile(r"'[^']*/(?P<path>pool/[^']+)' (?P<file>\S+)\.deb (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})")
_CODENAME = re.compile(r"^VERSION_CODENAME=([a-z]+)$", re.MULTILINE)


def lock_debian(
    definition: ImageDefinition,
    base: Layout,
    mirror: str | None,
    find: Callable[[str], str | None] = shutil.which,
    run: Run | None = None,
) -> DebianLock:
    """Return the packages that ``definition`` names with all that they need and ``base`` has not.

    Raises ``MissingToolError`` without apt or a mirror, ``UpstreamError`` if apt fails, and ``BadInputError`` if the
    base is no Debian or a package of it would have to change.
    """
    if find("apt-get") is None:
        raise MissingToolError("apt-get is not installed", todo="lock on a Debian or an Ubuntu")
    if mirror is None:
        raise MissingToolError("no Debian mirror is configured", todo="set SEKISHO_DEBIAN_MIRROR")
    found = _files_of(base, {_STATUS, *_RELEASES})
    codename = next((m[1] for name in _RELEASES if (m := _CODENAME.search(found.get(name, "")))), None)
    if codename is None or _STATUS not in found:
        raise BadInputError("the base is no Debian, or does not say so", where=str(base.folder), todo="take another")
    with tempfile.TemporaryDirectory() as place:
        ask = _Apt(Path(place), mirror, codename, str(base.config.get("architecture")), run or Programs().run)
        debs = ask.needed(definition.debian, found[_STATUS])
    held = parse_status(found[_STATUS]).by_name
    changed = [deb.name for deb in debs if deb.name in held]
    if changed:
        raise BadInputError(
            f"{changed[0]} of the base would have to change from {held[changed[0]]}",
            where=f"images/{definition.name}/image.yaml",
            todo="lock the base anew, or take a newer one",
        )
    return DebianLock(definition.debian, tuple(sorted(debs)))


def refuse_held(debs: Sequence[LockedDeb], base: Layout, *, where: str) -> None:
    """Raise ``BadInputError`` if a base has one of the packages itself: the layer would cover the base's files."""
    if not debs:
        return
    held = parse_status(_files_of(base, {_STATUS}).get(_STATUS, "")).by_name
    for deb in debs:
        if deb.name in held:
            raise BadInputError(
                f"the base has {deb.name} {held[deb.name]} itself, and debian.lock has {deb.version}",
                where=where,
                todo="lock the image's Debian packages anew: `sekisho builder debian`",
            )


def _files_of(base: Layout, names: set[str]) -> Mapping[str, str]:
    """Return some text files of a base, the upper layers' over the lower ones'."""
    found: dict[str, str] = {}
    for row in base.layers:
        try:
            with tarfile.open(base.blob(row.sha256), "r|*") as archive:
                for info in archive:
                    name = info.name.removeprefix("./")
                    if name in names and info.isreg() and (content := archive.extractfile(info)):
                        found[name] = content.read().decode(errors="replace")
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, KeyError) as error:
            raise BadInputError(
                f"a layer of the base cannot be read: {error}", where=f"sha256:{row.sha256}", todo="pull it anew"
            ) from error
    return found


class _Apt:
    """apt in a folder of its own: nothing of this machine's apt takes part, but its program."""

    def __init__(self, place: Path, mirror: str, codename: str, architecture: str, run: Run) -> None:
        self._place = place
        self._run = run
        for folder in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "lists/partial", "cache/archives"):
            (place / folder).mkdir(parents=True)
        trusted = f"[arch={architecture} signed-by={_KEYS}]"
        (place / "etc/sources.list").write_text(f"deb {trusted} {mirror} {codename} main\n")
        (place / "etc/apt.conf").write_text(_CONFIGURATION.format(place=place, architecture=architecture))

    def needed(self, names: tuple[str, ...], status: str) -> list[LockedDeb]:
        (self._place / "status").write_text(status)
        self._apt("update", "-qq")
        said = self._apt("install", "--print-uris", "--yes", "-qq", "--no-install-recommends", *names)
        rows = [row for line in said.splitlines() if (row := _URI.fullmatch(line.strip()))]
        debs = [_locked(row) for row in rows]
        missing = [name for name in names if name not in {deb.name for deb in debs}]
        if missing:
            raise BadInputError(
                f"the base has {missing[0]} already, or it is no package of its own",
                where="`debian` in image.yaml",
                todo="leave it out, or name the package that provides it",
            )
        return debs

    def _apt(self, *words: str) -> str:
        environment = {
            name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ
        }
        environment |= {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "APT_CONFIG": str(self._place / "etc/apt.conf")}
        try:
            said = self._run(["apt-get", *words], environment=environment, timeout=_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UpstreamError(f"apt-get did not end: {error}", todo="see that the mirror answers") from error
        if said.status:
            lines = [line for line in (said.output + said.errors).splitlines() if line.startswith(("E:", "W:"))]
            raise UpstreamError(
                f"apt-get {words[0]} failed: {' '.join(lines[-3:])[:1000]}",
                where="the Debian mirror",
                todo="correct the names under `debian`; see that the mirror is reachable and as new as the base",
            )
        return said.output


_CONFIGURATION = """\
Dir "{place}";
Dir::Etc "{place}/etc";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{place}/etc/apt.conf.d";
Dir::Etc::preferencesparts "{place}/etc/preferences.d";
Dir::Etc::sourcelist "{place}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::trustedparts "{place}/etc/trusted.gpg.d";
Dir::State "{place}";
Dir::State::lists "{place}/lists";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Sandbox::User "root";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Debug::NoLocking "true";
"""


def _locked(row: re.Match[str]) -> LockedDeb:
    name, version, arch = unquote(row["file"]).split("_")
    return LockedDeb(name, version, arch, int(row["size"]), row["sha256"], row["path"])


def fetch_deb(
    deb: LockedDeb, mirror: str | None, store: BlobStore, transport: httpx2.BaseTransport | None = None
) -> Path:
    """Return where a locked package is on this machine, fetched if it is not there and verified in any case."""
    if not store.has(deb.sha256):
        if mirror is None:
            raise MissingToolError("no Debian mirror is configured", todo="set SEKISHO_DEBIAN_MIRROR")
        address = f"{mirror.rstrip('/')}/{deb.path}"
        try:
            with (
                httpx2.Client(timeout=60, follow_redirects=True, transport=transport) as client,
                client.stream("GET", address, headers={"Accept-Encoding": "identity"}) as answer,
            ):
                answer.raise_for_status()
                store.add(answer.iter_bytes(1 << 20), expected=deb.sha256)
        except httpx2.HTTPError as error:
            raise UpstreamError(
                f"the Debian package {deb.name} {deb.version} cannot be had: {error}",
                where="the Debian mirror",
                todo="if the mirror dropped it, run `sekisho builder debian` again and commit the new lock",
            ) from error
    return store.path(deb.sha256)
