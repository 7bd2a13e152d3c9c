"""``uv.lock``: what its root project asks for directly, and everything else as pins and hashes."""

from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import Requirement

from sekisho.errors import BadInputError
from sekisho.model import MOST_CONSTRAINTS, MOST_REQUIREMENTS, normalize_project
from sekisho.wanted.value import (
    IN_HOUSE,
    Choice,
    Wanted,
    at,
    check_count,
    chosen,
    may_run,
    read_requirement,
    read_toml,
    shown,
    table,
)

_OWN = ("virtual", "editable")
"""How the projects of a workspace are marked; the one at ``.`` is its root."""

Rows = list[dict[str, Any]]


def read_uv_lock(text: str, choice: Choice = Choice(), *, where: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read a lock of version 1; raise ``BadInputError`` for what an index does not give, as a git repository."""
    whole = read_toml(text, where=where)
    if whole.get("version") != 1:
        raise BadInputError(f"a uv.lock of version {whole.get('version')!r} is not known", where=where)
    packages = _rows(whole, "package", where)
    for row in packages:
        if not isinstance(row.get("name"), str) or not isinstance(row.get("source"), dict):
            raise BadInputError("a package without a name or a source", where=where)
    direct: list[Requirement] = []
    roots = _roots(packages)
    if not roots:
        raise BadInputError("the lock names no project of its own", where=where, todo="ask with pyproject.toml")
    _check_choice(roots, choice, where)
    for root in roots:
        direct += _direct(root, choice, where)
    own = {normalize_project("pypi", row["name"]) for row in packages if _local(row)}
    direct = [row for row in direct if normalize_project("pypi", row.name) not in own]
    reached = _reached(packages, direct, where)
    check_count(len(direct), MOST_REQUIREMENTS, "requirements", where=where)
    check_count(len(reached), MOST_CONSTRAINTS, "packages", where=where)
    pins: list[str] = []
    hashes: dict[str, tuple[str, ...]] = {}
    for row in reached:
        _check_source(row, text, where)
        pins.append(_pin(row, where))
        name = normalize_project("pypi", row["name"])
        if known := _hashes(row, where):
            hashes[name] = (*hashes.get(name, ()), *known)
    python = whole.get("requires-python")
    return Wanted(
        requirements=tuple(dict.fromkeys(map(str, direct))),
        constraints=tuple(pins),
        hashes=hashes,
        python=python if isinstance(python, str) else None,
    )


def _rows(value: Mapping[str, Any], key: str, where: str) -> Rows:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadInputError(f"`{key}` is not a list of tables", where=where)
    return found


def _local(row: Mapping[str, Any]) -> bool:
    return any(key in row["source"] for key in _OWN)


def _roots(packages: Rows) -> Rows:
    """Return the root project; of a workspace without one, all its members."""
    own = [row for row in packages if _local(row)]
    return [row for row in own if any(row["source"].get(key) == "." for key in _OWN)] or own


def _check_choice(roots: Rows, choice: Choice, where: str) -> None:
    extras = {name for row in roots for name in table(row, "optional-dependencies", where=where)}
    groups = {name for row in roots for name in table(row, "dev-dependencies", where=where)}
    chosen(choice.extras, extras, "extra", where=where)
    chosen(choice.groups, groups, "dependency group", where=where)


def _direct(root: dict[str, Any], choice: Choice, where: str) -> list[Requirement]:
    """Return what a project asks for, with the versions that its own metadata names."""
    said: dict[str, list[str]] = {}
    required = table(root, "metadata", "requires-dev", where=where)
    for row in [
        *_rows(table(root, "metadata", where=where), "requires-dist", where),
        *(row for name in required for row in _rows(required, name, where)),
    ]:
        said.setdefault(str(row.get("name")), []).append(str(row.get("specifier", "")))
    rows = _rows(root, "dependencies", where)
    for key, names in (("optional-dependencies", choice.extras), ("dev-dependencies", choice.groups)):
        wanted = {normalize_project("pypi", name) for name in names}
        parts = table(root, key, where=where)
        rows = rows + [
            row for name in parts if normalize_project("pypi", name) in wanted for row in _rows(parts, name, where)
        ]
    found = []
    for row in rows:
        specifiers = said.get(str(row.get("name")), [])
        found.append(_requirement(row, specifiers[0] if len(specifiers) == 1 else "", where))
    return found


def _requirement(row: Mapping[str, Any], specifier: str, where: str) -> Requirement:
    extras, marker = row.get("extra", []), str(row.get("marker", ""))
    if "extra" in marker:  # how uv marks what was locked for extras that exclude one another
        raise BadInputError(
            f"{shown(str(row.get('name')))} depends on which of several conflicting extras is chosen",
            where=where,
            todo="choose with `uv export --format pylock.toml --extra …`, and ask with that file",
        )
    bracket = f"[{','.join(map(str, extras))}]" if isinstance(extras, list) and extras else ""
    condition = f" ; {marker}" if marker else ""
    return read_requirement(f"{row.get('name')}{bracket}{specifier}{condition}", where=where)


def _reached(packages: Rows, direct: Iterable[Requirement], where: str) -> Rows:
    """Return the packages that the direct requirements lead to, whatever the target."""
    by_name: dict[str, Rows] = {}
    for row in packages:
        by_name.setdefault(normalize_project("pypi", row["name"]), []).append(row)
    left = [normalize_project("pypi", row.name) for row in direct]
    seen: dict[str, None] = {}
    while left:
        name = left.pop()
        if name in seen:
            continue
        if name not in by_name:
            raise BadInputError(f"the lock does not hold {shown(name)}", where=where, todo="lock again with `uv lock`")
        seen[name] = None
        for row in by_name[name]:
            optional = table(row, "optional-dependencies", where=where)
            needs = [*_rows(row, "dependencies", where)]
            needs += [one for extra in optional for one in _rows(optional, extra, where)]
            left += [normalize_project("pypi", str(one.get("name"))) for one in needs]
    return [row for name in seen for row in by_name[name]]


def _check_source(row: Mapping[str, Any], text: str, where: str) -> None:
    if "registry" not in row["source"] or "://" not in str(row["source"]["registry"]):
        kind = next(iter(row["source"]), "nowhere")
        raise BadInputError(
            f"{shown(row['name'])} comes from a {shown(kind)}, and only projects of a source can be judged",
            where=at(where, text, f'\nname = "{row["name"]}"'),
            todo=IN_HOUSE,
        )


def _pin(row: Mapping[str, Any], where: str) -> str:
    markers = row.get("resolution-markers", [])
    if not isinstance(markers, list) or not isinstance(row.get("version"), str):
        raise BadInputError(f"{shown(row['name'])} has no version", where=where, todo="lock again with `uv lock`")
    condition = " or ".join(f"({marker})" for marker in markers)
    return str(read_requirement(f"{row['name']}=={row['version']}{' ; ' if condition else ''}{condition}", where=where))


def _hashes(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return the SHA-256 of every wheel that may run on a target; source is never taken."""
    wheels = _rows(row, "wheels", where)
    named = [(str(one.get("filename") or one.get("url") or one.get("path")), str(one.get("hash"))) for one in wheels]
    return tuple(
        text.removeprefix("sha256:").lower() for name, text in named if text.startswith("sha256:") and may_run(name)
    )
