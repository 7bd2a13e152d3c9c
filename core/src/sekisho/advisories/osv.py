"""One OSV record (schema 1.7) as plain values: who is concerned, how gravely, and what mends it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sekisho.advisories.ranges import comparable, cut, spans, version_of
from sekisho.advisories.record import Range
from sekisho.advisories.severity import score_of
from sekisho.errors import BadInputError
from sekisho.model import Kind, normalize_project

ECOSYSTEMS: Mapping[str, Kind] = {"PyPI": "pypi"}
"""OSV's ecosystems (before any ``:``) that our kinds of source are; it has none for channels and hubs."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{2,119}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[!-~]{1,100}")
_MALICIOUS_CODE = "CWE-506"
_SUMMARY = 160
_MOST = 20_000
_DEEP = 6


class Concerned(NamedTuple):
    """What a record says of one project."""

    kind: Kind
    project: str
    versions: tuple[str, ...]
    ranges: tuple[Range, ...]
    fixed: tuple[str, ...]
    vague: bool


class OsvRecord(NamedTuple):
    """What a record says. ``skipped`` counts packages with a name that nobody could ask for."""

    names: tuple[str, ...]
    modified: datetime | None
    withdrawn: bool
    score: int | None
    malicious: bool
    summary: str
    concerned: tuple[Concerned, ...]
    files: tuple[str, ...]
    skipped: int


def parse_osv(value: object, *, where: str) -> OsvRecord:
    """Read one record; raise ``BadInputError`` naming ``where`` if it is none.

    Ecosystems that no kind of source is are left out. A range that cannot be compared makes its part ``vague``.
    """
    try:
        return _parse(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"not an OSV record: {type(error).__name__}: {str(error)[:200]}",
            where=where,
            todo="fetch the file again; nothing of it was imported",
        ) from error


def _parse(value: Any) -> OsvRecord:  # noqa: ANN401 (JSON)
    rows = [row for row in value.get("affected") or () if _kind(row) is not None]
    names = _names(value)
    concerned, skipped = [], 0
    for row in rows:
        found = _concerned(row)
        skipped += found is None
        concerned += [found] if found else []
    scores = [score for row in rows or [{}] if (score := score_of(value, row)) is not None]
    return OsvRecord(
        names=names,
        modified=_moment(value["modified"]),
        withdrawn=value.get("withdrawn") is not None,
        score=max(scores, default=None),
        malicious=_is_malicious(names, value, rows),
        summary=_summary(value),
        concerned=tuple(concerned),
        files=tuple(sorted({sha256 for row in rows for sha256 in _files(row)})),
        skipped=skipped,
    )


def _names(value: dict[str, Any]) -> tuple[str, ...]:
    """Return id and aliases; real records hold aliases with a comma, and those that are none are left out."""
    if not isinstance(value["id"], str) or not _NAME.fullmatch(value["id"]):
        message = f"{str(value['id'])[:80]!r} is no id"
        raise ValueError(message)
    aliases = (text.strip(" ,;") for text in (value.get("aliases") or ())[:_MOST] if isinstance(text, str))
    return tuple(dict.fromkeys((value["id"], *filter(_NAME.fullmatch, aliases))))


def _kind(row: dict[str, Any]) -> Kind | None:
    package = row.get("package")  # a record that names only a repository has none
    return ECOSYSTEMS.get(package["ecosystem"].partition(":")[0]) if package else None


def _concerned(row: dict[str, Any]) -> Concerned | None:
    kind = _kind(row)
    name = row["package"]["name"]
    if kind is None or not isinstance(name, str):
        message = f"{name!r} is no name of a package"
        raise ValueError(message)
    try:
        project = normalize_project(kind, name)
    except BadInputError:
        return None  # no request can name it either
    versions = [text for text in row.get("versions") or () if isinstance(text, str) and _VERSION.fullmatch(text)]
    stated = [found for found in row.get("ranges") or () if found["type"] != "GIT"]
    ranges: list[Range] = []
    fixed: list[str] = []
    vague = not versions and not stated
    for found in stated:
        events = [(str(key), str(text)) for event in found["events"] for key, text in event.items()]
        fixed += [text for key, text in events if key == "fixed"]
        if all(text == "0" or comparable(kind, text) for key, text in events if key != "limit"):
            ranges += spans(kind, events)
        else:
            vague = True
    fixed = [text for text in fixed if _VERSION.fullmatch(text)]
    return Concerned(kind, project, _outside(kind, versions, ranges), tuple(ranges), tuple(dict.fromkeys(fixed)), vague)


def _outside(kind: Kind, versions: list[str], ranges: list[Range]) -> tuple[str, ...]:
    """Return the versions that no range holds: most records list again what their ranges say, a hundred to one."""
    spans_of = cut(kind, list(enumerate(ranges)))
    known = ((text, version_of(kind, text)) for text in versions)
    return tuple(dict.fromkeys(text for text, version in known if version is None or not spans_of.at(version)))


def _is_malicious(names: tuple[str, ...], value: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    said = value.get("database_specific") or {}
    codes = [*(said.get("cwe_ids") or ())]
    codes += [one.get("cweId") for row in rows for one in (row.get("database_specific") or {}).get("cwes") or ()]
    marked = "malicious-packages-origins" in said or _MALICIOUS_CODE in codes
    return marked or any(name.startswith("MAL-") for name in names)


def _summary(value: dict[str, Any]) -> str:
    text = " ".join(str(value.get("summary") or value.get("details") or "").split())
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…"


def _files(row: dict[str, Any]) -> Iterator[str]:
    """Yield the sha256 of whole packages that a report of malicious code names, not those of files in them."""
    said = row.get("database_specific") or {}
    yield from _sha256s(said.get("indicators"), inside=False, depth=0)


def _sha256s(value: object, *, inside: bool, depth: int) -> Iterator[str]:
    if depth > _DEEP:
        return
    for key, inner in value.items() if isinstance(value, dict) else ():
        if inside and key == "sha256" and isinstance(inner, str) and _SHA256.fullmatch(inner):
            yield inner
        else:
            yield from _sha256s(inner, inside=inside or key == "package_integrity", depth=depth + 1)
    for inner in value if isinstance(value, list) else ():
        yield from _sha256s(inner, inside=inside, depth=depth + 1)


def _moment(text: object) -> datetime | None:
    """Return a time, or nothing for one that is none: real records hold a zero time in odd spellings."""
    try:
        found = datetime.fromisoformat(str(text))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
