"""A conda package as its channel tells of it, and as an approval carries it.

What a door serves of a channel is made from approvals alone: an artifact of kind ``conda`` has its record in ``index``,
without what could lead a client elsewhere. So nothing of a channel's own index is ever passed on, and a replica needs
no channel.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sekisho.conda_name import is_name
from sekisho.errors import BadInputError
from sekisho.model.base import canonical_json
from sekisho.model.closure import Artifact

RECORD = "record"
"""The key of ``Artifact.index`` under which a package's record is, as canonical JSON."""

ENDINGS = (".conda", ".tar.bz2")
"""Of packages: the newer format, and the older."""

EXPORTS = "run_exports"
"""The key of a record under which its run_exports are (CEP 21); absent where nobody said."""

NOARCH = "noarch"

_ARCHITECTURES = {
    "android": ("32", "64", "aarch64", "armv7a"),
    "emscripten": ("wasm32", "wasm64"),
    "freebsd": ("32", "64", "arm64", "ppc64", "ppc64le"),
    "ios": ("arm64",),
    "iossimulator": ("64", "arm64"),
    "linux": (
        *("32", "64", "aarch64", "armv6l", "armv7l", "loongarch64", "ppc", "ppc64", "ppc64le", "riscv32", "riscv64"),
        "s390x",
    ),
    "osx": ("64", "arm64"),
    "wasi": ("wasm32",),
    "win": ("32", "64", "arm64"),
    "zos": ("z",),
}
KNOWN_SUBDIRS = frozenset(
    [NOARCH, *(f"{system}-{one}" for system, architectures in _ARCHITECTURES.items() for one in architectures)]
)
"""Parts of a channel that clients ask for: conda and py-rattler know these."""

_VERSION = re.compile(r"(?=.{1,64}$)[a-z0-9_.!+]+", re.ASCII)
_BUILD = re.compile(r"(?=.{1,64}$)[A-Za-z0-9_.+]+", re.ASCII)
_SUBDIR = re.compile(r"(?=.{1,32}$)(?:noarch|[a-z0-9]+-[a-z0-9_]+)", re.ASCII)
_HASH = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}
_ELSEWHERE = re.compile(r"[:/\\]")
_ELSEWHERE_IN_BRACKETS = re.compile(r"\b(?:channel|subdir|url|fn)\b\s*=")
"""What a match spec has where it names a channel, a subdir, an address or a file (CEP 29)."""

_LONGEST_TEXT = 2000
_MOST_TEXTS = 2000

_TEXTS = ("license", "license_family", "features", "arch", "platform")
_SITE = "python_site_packages_path"
_BELOW = re.compile(r"(?!\.{1,2}(?:/|$))[\w.+-]+(?:/(?!\.{1,2}(?:/|$))[\w.+-]+)*", re.ASCII)
"""A path below the prefix: clients lay files there that packages for any Python bring (CEP 17)."""

_LISTS = ("depends", "constrains")
_EXPORTS = frozenset({"noarch", "strong", "strong_constrains", "weak", "weak_constrains"})


class PackageName(NamedTuple):
    """What a package's file is called: ``name-version-build`` and one of ``ENDINGS`` (CEP 26)."""

    name: str
    version: str
    build: str
    ending: str

    @classmethod
    def parse(cls, filename: str) -> "PackageName":
        """Read a file's name; raise ``BadInputError`` for one that no package has."""
        ending = next((end for end in ENDINGS if filename.endswith(end)), "")
        parts = filename.removesuffix(ending).rsplit("-", 2) if ending else []
        if len(parts) != 3:
            raise BadInputError(f"{filename[:120]!r} is no name of a conda package", todo="see CEP 26")
        name, version, build = parts
        if not (is_name(name) and _VERSION.fullmatch(version) and _BUILD.fullmatch(build)):
            raise BadInputError(f"{filename[:120]!r} is no name of a conda package", todo="see CEP 26")
        return cls(name, version, build, ending)

    def __str__(self) -> str:
        return f"{self.name}-{self.version}-{self.build}{self.ending}"


def is_subdir(text: str) -> bool:
    """Tell whether ``text`` can name a platform's part of a channel: ``noarch``, or ``os-arch`` (CEP 26)."""
    return bool(_SUBDIR.fullmatch(text))


def clean_record(filename: str, record: Mapping[str, Any], *, subdir: str) -> dict[str, Any]:
    """Return what counts of a channel's record of one file (CEP 36), and nothing that could lead a client elsewhere.

    What is dropped: addresses (``url``, ``base_url``), signatures, and every key that is not known. Raises
    ``BadInputError`` naming what is wrong for a record without a sha256, of another file or subdir, or of wrong types.
    """
    if not isinstance(record, Mapping):
        raise BadInputError(f"the record of {filename[:120]!r} is no object")
    package = PackageName.parse(filename)
    stated = (record.get("name"), record.get("version"), record.get("build", record.get("build_string")))
    if stated != (package.name, package.version, package.build):
        raise BadInputError(f"the record of {filename} is of {'-'.join(map(str, stated))[:120]}")
    if record.get("subdir", subdir) != subdir:
        raise BadInputError(f"the record of {filename} is of subdir {str(record['subdir'])[:40]!r}, not {subdir}")
    clean: dict[str, Any] = {"name": package.name, "version": package.version, "build": package.build, "subdir": subdir}
    return clean | dict(_counted(filename, record))


def _counted(filename: str, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what else of a record counts, each value of its type."""
    yield "build_number", _number(record.get("build_number", 0), "build_number", filename)
    yield "size", _number(record.get("size"), "size", filename)
    yield "sha256", _hash(record.get("sha256"), "sha256", filename)
    if record.get("md5") is not None:
        yield "md5", _hash(record["md5"], "md5", filename)
    for key in _LISTS:
        yield key, _specs(record.get(key) or [], key, filename)
    for key in _TEXTS:
        if record.get(key) is not None:
            yield key, _text(record[key], key, filename)
    if (site := record.get(_SITE)) is not None:
        if not _BELOW.fullmatch(_text(site, _SITE, filename)):
            raise BadInputError(f"the record of {filename} has a {_SITE} that leads elsewhere: {site[:80]!r}")
        yield _SITE, site
    if track := record.get("track_features"):
        words = [track] if isinstance(track, str) else track
        yield "track_features", " ".join(_texts(words, "track_features", filename))
    if (noarch := record.get("noarch")) is not None:
        if noarch not in ("python", "generic", True, False):
            raise BadInputError(f"the record of {filename} says noarch: {str(noarch)[:40]!r}")
        yield "noarch", noarch
    if record.get("timestamp") is not None:
        yield "timestamp", _number(record["timestamp"], "timestamp", filename)
    if record.get(EXPORTS) is not None:
        yield EXPORTS, _exports(record[EXPORTS], filename)


def conda_artifact(
    source: str, filename: str, record: Mapping[str, Any], *, subdir: str, seen: datetime | None = None
) -> Artifact:
    """Return the artifact of a channel's record; ``seen`` is when its file was there first, as far as is known here.

    Raises what ``clean_record`` raises.
    """
    clean = clean_record(filename, record, subdir=subdir)
    return Artifact(
        kind="conda",
        source=source,
        project=clean["name"],
        release=clean["version"],
        filename=filename,
        path=f"{subdir}/{filename}",
        sha256=clean["sha256"],
        size=clean["size"],
        uploaded=seen,
        index={RECORD: canonical_json(clean).decode()},
    )


def conda_record(artifact: Artifact) -> dict[str, Any]:
    """Return the record of an artifact of kind ``conda``, as a channel states it (CEP 36).

    ``indexed_timestamp`` (CEP 47), in milliseconds, is when the file was first seen here, which no channel says.
    Raises ``BadInputError`` for an artifact that carries none, or one of another file.
    """
    try:
        stated = json.loads(artifact.index[RECORD])
    except (KeyError, ValueError) as error:
        raise BadInputError("the artifact carries no record of a channel", where=artifact.filename) from error
    record = clean_record(artifact.filename, stated, subdir=artifact.path.partition("/")[0])
    if (record["sha256"], record["name"], record["version"]) != (artifact.sha256, artifact.project, artifact.release):
        raise BadInputError("the artifact carries the record of another file", where=artifact.filename)
    record["size"] = artifact.size
    if artifact.uploaded:
        record["indexed_timestamp"] = int(artifact.uploaded.astimezone(UTC).timestamp() * 1000)
    return record


def _exports(value: object, filename: str) -> dict[str, list[str]]:
    """Return what a build against the package needs at run time (CEP 12); of what kind, CEP 12 says."""
    if not isinstance(value, Mapping) or not value.keys() <= _EXPORTS:
        raise BadInputError(f"the record of {filename} has {EXPORTS} that cannot be read")
    return {kind: _specs(specs, EXPORTS, filename) for kind, specs in value.items() if specs}


def _hash(value: object, key: str, filename: str) -> str:
    if not isinstance(value, str) or not _HASH[key].fullmatch(value):
        raise BadInputError(f"the record of {filename} has no valid {key}")
    return value


def _number(value: object, key: str, filename: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise BadInputError(f"the record of {filename} has no valid {key}")
    return value


def _text(value: object, key: str, filename: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise BadInputError(f"the record of {filename} has a {key} that cannot be read")
    return value


def _specs(value: object, key: str, filename: str) -> list[str]:
    """Return match specs of a record: they say which package, never from where (CEP 26)."""
    specs = _texts(value, key, filename)
    if astray := next((spec for spec in specs if _leads_elsewhere(spec)), None):
        raise BadInputError(f"the record of {filename} has {key} that name a place: {astray[:120]!r}")
    return specs


def _leads_elsewhere(spec: str) -> bool:
    """Tell whether a match spec names a place, in time that grows with its length alone."""
    bracket = spec.find("[")
    in_brackets = bracket >= 0 and _ELSEWHERE_IN_BRACKETS.search(spec, bracket)
    return bool(_ELSEWHERE.search(spec) or in_brackets)


def _texts(value: object, key: str, filename: str) -> list[str]:
    if not isinstance(value, list) or len(value) > _MOST_TEXTS:
        raise BadInputError(f"the record of {filename} has {key} that are no list")
    return [_text(row, key, filename) for row in value]
