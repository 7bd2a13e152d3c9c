"""The top level of repodata (CEP 36): what of it Sekisho knows, and what it refuses."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from sekisho_proxy.conda.packed import read_json
from sekisho_proxy.conda.shards import foreign
from sekisho_proxy.conda.stated import MOST_REASONS, Refused

SECTIONS = ("packages", "packages.conda")
_KNOWN = frozenset({"info", *SECTIONS, "removed", "repodata_version"})
_LONGEST_ADDRESS = 1000
"""Bytes of an address that are kept: more than one may have that is followed."""

Top = dict[str, dict[str, msgspec.Raw] | list[msgspec.Raw] | int | float | str | bool | None]


def read_top(text: bytes | bytearray, *, where: str) -> Top:
    """Read the text of repodata, records unread; raise ``CorruptError`` for what is none."""
    return read_json(text, Top, where=where)


def mapping(value: object) -> dict[str, msgspec.Raw]:
    """Return an object's members, and none of anything else."""
    return value if isinstance(value, dict) else {}


class Said(NamedTuple):
    """What is said beside records: where packages are, and what of it is not passed on."""

    packages: str
    refused: tuple[Refused, ...]


def said_beside(top: Top, unnamed: Iterable[str], *, where: str) -> Said:
    """Read what is said beside records; ``unnamed`` are files of no package. Raises ``CorruptError`` for a bad info."""
    unknown = [key for key in sorted(top) if key not in _KNOWN][:MOST_REASONS]
    refused = [Refused(key[:80], "Sekisho does not know this key") for key in unknown]
    refused += [Refused(name[:200], "it is no name of a conda package") for name in unnamed]
    info = {key: read_json(raw, object, where=where) for key, raw in mapping(top.get("info")).items()}
    refused += foreign(info)
    return Said(str(info.get("base_url") or "")[:_LONGEST_ADDRESS], tuple(refused))
