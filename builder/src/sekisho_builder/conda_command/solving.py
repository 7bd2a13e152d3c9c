"""Match specs and channels → packages, by py-rattler. A channel's own word on where else to look is not heard."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import rattler
from rattler.exceptions import (
    ConvertSubdirError,
    FetchRepoDataError,
    GatewayError,
    InvalidChannelError,
    InvalidMatchSpecError,
    InvalidPackageNameError,
    InvalidUrlError,
    InvalidVersionError,
    ParseSubdirError,
    SolverError,
)

from sekisho.bare import bare
from sekisho.errors import BadInputError, UnresolvableError, UpstreamError
from sekisho.wanted import read_text
from sekisho_builder.conda_command.arguments import Asked, caches_of
from sekisho_builder.conda_command.virtual import Virtual, split_channels

_NO_RECORD = (
    ConvertSubdirError,
    InvalidChannelError,
    InvalidPackageNameError,
    InvalidUrlError,
    InvalidVersionError,
    ParseSubdirError,
)
_RETRIES = 1
"""The proxy asks an upstream several times by itself."""


def client() -> rattler.Client:
    """Return how packages and metadata are asked for."""
    return rattler.Client.default_client(max_retries=_RETRIES)


async def solve(asked: Asked, kept: Sequence[rattler.RepoDataRecord] = ()) -> list[rattler.RepoDataRecord]:
    """Return what satisfies the specs; ``kept`` is preferred where it fits.

    Raises ``UnresolvableError`` with the solver's reason when nothing does, ``UpstreamError`` when a channel fails.
    """
    channels, virtual = split_channels(asked.channels, asked.subdir)
    gateway = rattler.Gateway(cache_dir=caches_of(asked) / "repodata", client=client())
    try:
        return await rattler.solve(
            channels,
            [read_spec(spec, channels) for spec in asked.rest],
            gateway=gateway,
            platforms=[asked.subdir, "noarch"],  # type: ignore[list-item]  # it takes any text
            virtual_packages=[_generic(one) for one in virtual],
            locked_packages=kept,
            channel_relations="disabled",
        )
    except SolverError as error:
        raise UnresolvableError(bare(error), todo="change what it names, or have it approved") from error
    except InvalidChannelError as error:
        raise BadInputError(f"a channel is no address: {bare(error)}", todo="see CEP 26") from error
    except (GatewayError, FetchRepoDataError, OSError) as error:
        raise UpstreamError(
            f"a channel cannot be read: {bare(error)}", todo="see whether the door has it, and try again"
        ) from error


def read_spec(spec: str, channels: Sequence[str]) -> rattler.MatchSpec:
    """Read a spec in any of conda's own forms, as ``python 3.11.7 0_cpython``; raise ``BadInputError`` for no spec.

    A channel's name becomes its address: a bare name is one of a public host. A package's own address or file is
    refused: it would be fetched from there, whatever the channels are.
    """
    try:
        found = rattler.MatchSpec(_at_its_address(spec, channels), strict=False)
    except InvalidMatchSpecError as error:
        raise BadInputError(f"{bare(spec)[:120]!r} is no match spec: {bare(error)}", todo="see CEP 29") from error
    if "url=" in str(found):
        raise BadInputError(
            f"{bare(spec)[:120]!r} is the address of a package", todo="name the package, and its channel"
        )
    return found


def _at_its_address(spec: str, channels: Sequence[str]) -> str:
    named, colons, rest = spec.partition("::")
    for channel in channels:
        if colons and urlsplit(channel).path.rstrip("/").rpartition("/")[2] == named:
            return f"{channel}::{rest}"
    return spec


def _generic(one: Virtual) -> rattler.GenericVirtualPackage:
    return rattler.GenericVirtualPackage(
        rattler.PackageName(one.name), rattler.Version(one.version), rattler.BuildString(one.build)
    )


def row_of(record: rattler.RepoDataRecord) -> Mapping[str, Any]:
    """Return a package as conda tells of one that it would fetch."""
    subdir, channel = record.subdir, str(record.channel).rstrip("/")
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "build_string": str(record.build),
        "build_number": record.build_number,
        "depends": list(record.depends),
        "constrains": list(record.constrains),
        "fn": record.file_name,
        "md5": record.md5.hex() if record.md5 else "",
        "sha256": record.sha256.hex() if record.sha256 else None,
        "url": record.url,
        "channel": channel,
        "base_url": channel,
        "subdir": subdir,
        "platform": subdir,
        "timestamp": int(record.timestamp.timestamp() * 1000) if record.timestamp else 0,
        "dist_name": f"{record.name.normalized}-{record.version}-{record.build}",
        "size": record.size,
    }


def records_of(prefix: Path) -> list[rattler.RepoDataRecord]:
    """Return what a prefix holds by its ``conda-meta``, in which conda-lock leaves out what it does not know.

    Raises ``BadInputError`` naming the file that is no record.
    """
    return [_installed(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]


def _installed(path: Path) -> rattler.RepoDataRecord:
    try:
        row = json.loads(read_text(path))
        package = rattler.PackageRecord(
            name=row["name"],
            version=row["version"],
            build=rattler.BuildString(row.get("build") or "0"),
            build_number=row.get("build_number") or 0,
            subdir=row["subdir"],
            depends=row.get("depends") or [],
            sha256=bytes.fromhex(row["sha256"]) if row.get("sha256") else None,
            md5=bytes.fromhex(row["md5"]) if row.get("md5") else None,
        )
        return rattler.RepoDataRecord(
            package, row["fn"], row["url"], row.get("channel") or row["url"].rsplit("/", 2)[0]
        )
    except BadInputError:
        raise
    except OSError as error:
        said = error.strerror or str(error)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, *_NO_RECORD) as error:
        said = f"{type(error).__name__}: {bare(error)[:200]}"
    raise BadInputError(
        f"it is no record of an installed package: {said}", where=str(path), todo="make the environment anew"
    )
