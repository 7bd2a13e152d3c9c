"""An explicit file → an environment, by py-rattler: every package held to the hash behind its address."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import rattler
from rattler.exceptions import (
    ExtractError,
    InstallerError,
    InvalidPackageNameError,
    InvalidUrlError,
    InvalidVersionError,
    IoError,
    LinkError,
    TransactionError,
)

from sekisho.bare import bare
from sekisho.errors import BadInputError, CorruptError, UpstreamError
from sekisho.model import PackageName
from sekisho.wanted import read_text
from sekisho_builder.conda_command.arguments import Asked, caches_of
from sekisho_builder.conda_command.solving import client

_HASH = re.compile(r"(?:sha256:(?P<sha256>[0-9a-f]{64})|(?P<md5>[0-9a-f]{32}))")


async def install(asked: Asked, file: Path) -> int:
    """Install what an explicit file names into the prefix; return how many packages that are.

    Of a prefix that held nothing before, nothing is left where it fails.
    """
    records = read_explicit(file)
    prefix = asked.prefix_or_raise()
    try:
        with _nothing_left(prefix), _cache(caches_of(asked), records) as cache:
            await rattler.install(
                records,
                prefix,
                cache_dir=cache,
                platform=rattler.Subdir(asked.subdir),
                execute_link_scripts=False,
                show_progress=False,
                client=client(),
            )
    except (InstallerError, TransactionError, LinkError, ExtractError, IoError, OSError) as error:
        raise UpstreamError(
            f"it cannot be installed: {bare(error)}", where=str(file), todo="see what it names"
        ) from error
    return len(records)


def read_explicit(file: Path) -> list[rattler.RepoDataRecord]:
    """Return the packages that an explicit file names; raise ``BadInputError`` with the line that names none."""
    return [_sound_record(line, f"{file}, line {number}") for number, line in _lines(file)]


@contextmanager
def _nothing_left(prefix: Path) -> Iterator[None]:
    """Take a prefix away again that was not there before, or was empty, where what is done with it fails."""
    is_new = not prefix.exists() or (prefix.is_dir() and not any(prefix.iterdir()))
    try:
        yield
    except BaseException:
        if is_new:
            shutil.rmtree(prefix, ignore_errors=True)
        raise


@contextmanager
def _cache(caches: Path, records: Sequence[rattler.RepoDataRecord]) -> Iterator[Path]:
    """Give a folder for packages, an empty one where some have an md5 alone.

    py-rattler holds what it fetches to an md5, but takes any package of the same name, version and build that is there.
    """
    if all(record.sha256 for record in records):
        yield caches / "packages"
        return
    caches.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=caches, prefix="by-md5-") as folder:
        yield Path(folder)


def _lines(file: Path) -> list[tuple[int, str]]:
    lines = read_text(file).splitlines()
    if "@EXPLICIT" not in lines:
        raise BadInputError("it is no explicit file: it has no line @EXPLICIT", where=str(file))
    rows = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return [(number, line) for number, line in rows if line and not line.startswith(("#", "@"))]


def _sound_record(line: str, where: str) -> rattler.RepoDataRecord:
    try:
        return _record(line, where)
    except (ValueError, InvalidUrlError, InvalidVersionError, InvalidPackageNameError) as error:
        raise BadInputError(
            f"{bare(line)[:120]!r} is no address of a package: {bare(error)[:200]}", where=where
        ) from error


def _record(line: str, where: str) -> rattler.RepoDataRecord:
    url, _, fragment = line.partition("#")
    parts = urlsplit(url)
    stated = _HASH.fullmatch(fragment)
    path = parts.path.split("/")
    if parts.scheme not in {"http", "https", "file"} or len(path) < 3:
        raise BadInputError(f"{bare(line)[:120]!r} is no address of a package", where=where)
    if stated is None:
        raise BadInputError("there is no hash behind the address", where=where, todo="write the file again")
    package = PackageName.parse(path[-1])
    if parts.scheme == "file":
        _check(Path(unquote(parts.path)), stated, where)
    record = rattler.PackageRecord(
        name=package.name,
        version=package.version,
        build=rattler.BuildString(package.build),
        build_number=0,
        subdir=path[-2],
        sha256=bytes.fromhex(stated["sha256"]) if stated["sha256"] else None,
        md5=bytes.fromhex(stated["md5"]) if stated["md5"] else None,
    )
    return rattler.RepoDataRecord(record, path[-1], url, url.rsplit("/", 2)[0])


def _check(path: Path, stated: re.Match[str], where: str) -> None:
    """Hold a file of this machine to its hash: py-rattler does so only for what it fetches."""
    name = "sha256" if stated["sha256"] else "md5"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, name).hexdigest()
    if found != stated[name]:
        raise CorruptError(f"{path.name} is not what it should be: its {name} is {found}", where=where)
