"""What a registry gave, held against the OCI's image-spec (manifest.md, config.md) before anything stands on it."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from sekisho.errors import CorruptError
from sekisho.model import Record

_LARGEST_CONFIG = 8 << 20
_DiffId = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Lenient(Record):
    """Only what is built on; images carry much else."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _RootFs(_Lenient):
    diff_ids: Annotated[list[_DiffId], Field(min_length=1, max_length=127)]


class _Run(_Lenient):
    env: Annotated[list[str] | None, Field(alias="Env")] = None
    cmd: Annotated[list[str] | None, Field(alias="Cmd")] = None
    entrypoint: Annotated[list[str] | None, Field(alias="Entrypoint")] = None
    labels: Annotated[dict[str, str] | None, Field(alias="Labels")] = None


class _Config(_Lenient):
    os: str
    architecture: str
    rootfs: _RootFs
    config: _Run | None = None
    history: list[dict[str, Any]] | None = None


def read_object(data: bytes, *, where: str) -> dict[str, Any]:
    """Return a JSON object from outside; raise ``CorruptError`` for anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"the registry's manifest cannot be read: {error}", where=where) from error
    if not isinstance(value, dict):
        raise CorruptError("the registry's manifest is not a JSON object", where=where)
    return value


def rows_of(value: dict[str, Any], key: str, *, where: str) -> list[dict[str, Any]]:
    """Return a list of objects in a manifest; raise ``CorruptError`` if it is none."""
    rows = value.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CorruptError(f"the registry's manifest has no list of {key}", where=where)
    return rows


def check_config(config: Path, layers: int, *, where: str) -> None:
    """Raise ``CorruptError`` or ``BadInputError`` for a config that no engine could use, or that is of other layers."""
    if config.stat().st_size > _LARGEST_CONFIG:
        raise CorruptError("the image's config is too large", where=where)
    found = _Config.parse_json(config.read_bytes(), where=f"config of {where}")
    if len(found.rootfs.diff_ids) != layers:
        raise CorruptError("the image's config speaks of other layers than its manifest", where=where)
