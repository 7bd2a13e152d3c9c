"""``pyproject.toml``: ``project.dependencies``, extras, and dependency groups (PEP 621, PEP 735)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement

from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS, normalize_project
from sekisho.wanted.value import (
    IN_HOUSE,
    Choice,
    Wanted,
    at,
    check_count,
    chosen,
    line_of,
    read_requirement,
    read_toml,
    shown,
    table,
    texts,
)

_MOST_PARTS = 1000
"""Extras, or groups, of one project."""

_OF_THIS_MACHINE = {"git", "url", "path", "workspace"}
"""Keys of ``tool.uv.sources`` that take a project from somewhere else than an index."""


def read_project(text: str, choice: Choice = Choice(), *, where: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read what a project needs; raise ``BadInputError`` with the line, where it has one."""
    whole = read_toml(text, where=where)
    project = table(whole, "project", where=where)
    groups = table(whole, "dependency-groups", where=where)
    _check_static(whole, project, choice, where)
    lines = [*texts(project.get("dependencies", []), "project.dependencies", where=where)]
    lines += _extras(project, choice.extras, where)
    check_count(len(lines), MOST_REQUIREMENTS, "requirements", where=where)
    found = [_read(line, text, where) for line in lines]
    found += _groups(groups, choice.groups, text, where)
    own = normalize_project("pypi", project["name"]) if isinstance(project.get("name"), str) else None
    wanted = [row for row in found if normalize_project("pypi", row.name) != own]
    ignored = _check_sources(table(whole, "tool", "uv", "sources", where=where), wanted, text, where)
    python = project.get("requires-python")
    return Wanted(
        requirements=tuple(dict.fromkeys(map(str, wanted))),
        python=python if isinstance(python, str) else None,
        extra_dependencies=table(whole, "tool", "uv", "extra-build-dependencies", where=where),
        extra_variables=table(whole, "tool", "uv", "extra-build-variables", where=where),
        ignored=tuple(ignored),
    )


def _check_static(whole: dict[str, Any], project: dict[str, Any], choice: Choice, where: str) -> None:
    """Raise ``BadInputError`` where the file itself does not say what is needed."""
    if not project and not choice.groups:
        poetry = " (only poetry's own)" if table(whole, "tool", "poetry", where=where) else ""
        raise BadInputError(
            f"there is no [project] table{poetry}",
            where=where,
            todo="write a [project] table, or ask with an exported requirements file",
        )
    wanted = {"dependencies"} | ({"optional-dependencies"} if choice.extras else set())
    if dynamic := wanted & set(texts(project.get("dynamic", []), "project.dynamic", where=where)):
        raise BadInputError(
            f"{', '.join(sorted(dynamic))} are dynamic: only a build of the project would tell them",
            where=where,
            todo="ask with a lock or a requirements file",
        )


def _extras(project: dict[str, Any], extras: Iterable[str], where: str) -> list[str]:
    """Return the lines of extras; one may name the project itself with more extras."""
    rows = table(project, "optional-dependencies", where=where)
    check_count(len(rows), _MOST_PARTS, "extras", where=where)
    known = {normalize_project("pypi", name): name for name in rows}
    left, done = sorted(chosen(extras, rows, "extra", where=where)), set[str]()
    own = normalize_project("pypi", str(project.get("name") or "x"))
    lines: list[str] = []
    while left:
        extra = left.pop(0)
        if extra in done:
            continue
        done.add(extra)
        found = texts(rows[known[extra]], f"project.optional-dependencies.{known[extra]}", where=where)
        lines += found
        check_count(len(lines), MOST_REQUIREMENTS, "requirements", where=where)
        for line in found:
            wanted = read_requirement(line, where=where)
            if normalize_project("pypi", wanted.name) == own:
                left += sorted(chosen(wanted.extras, rows, "extra", where=where))
    return lines


def _groups(groups: dict[str, Any], asked: Iterable[str], text: str, where: str) -> Iterator[Requirement]:
    names = chosen(asked, groups, "dependency group", where=where)
    check_count(len(groups), _MOST_PARTS, "dependency groups", where=where)
    check_count(sum(_sizes(groups, names).values()), MOST_REQUIREMENTS, "requirements", where=where)
    try:
        lines = resolve_dependency_groups(groups, *sorted(names)) if names else ()
    except (ValueError, TypeError, LookupError, RecursionError, ExceptionGroup) as error:
        raise BadInputError(
            f"the dependency groups cannot be read: {_said(error)}", where=at(where, text, "[dependency-groups]")
        ) from error
    for line in lines:
        yield _read(line, text, where)


def _read(line: str, text: str, where: str) -> Requirement:
    with line_of(where, text, line):
        return read_requirement(line, where=where)


def _sizes(groups: Mapping[str, Any], names: Iterable[str]) -> dict[str, int]:
    """Count what groups hold, with those that they include: one that includes another twice doubles it."""
    rows = {normalize_project("pypi", name): found for name, found in groups.items()}
    sizes: dict[str, int] = {}
    left = [(name, False) for name in names]
    while left:
        name, entered = left.pop()
        found = rows.get(name)
        parts = found if isinstance(found, list) else []
        needed = [_included(part) for part in parts]
        if name in sizes and not entered:
            continue
        if not entered:
            sizes[name] = 0  # what includes itself is refused by the reader of groups
            left += [(name, True), *((other, False) for other in needed if other)]
        else:
            sizes[name] = sum(sizes[other] if other else 1 for other in needed)
    return {name: sizes[name] for name in names}


def _included(part: object) -> str | None:
    named = part.get("include-group") if isinstance(part, dict) else None
    return normalize_project("pypi", named) if isinstance(named, str) else None


def _said(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return "; ".join(map(_said, inner)) if inner else str(error)


def _check_sources(sources: dict[str, Any], wanted: Iterable[Requirement], text: str, where: str) -> Iterator[str]:
    """Refuse what uv would take from a path or an address, and say of another index that it does not count."""
    known = {normalize_project("pypi", name): rows for name, rows in sources.items()}
    here = at(where, text, "[tool.uv.sources]")
    for row in wanted:
        found = known.get(normalize_project("pypi", row.name))
        keys = {key for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict) for key in one}
        if elsewhere := keys & _OF_THIS_MACHINE:
            raise BadInputError(
                f"{shown(row.name)} comes from a {min(elsewhere)}, and only projects of a source can be judged",
                where=here,
                todo=IN_HOUSE,
            )
        if "index" in keys:
            yield f"{here}: the index of {row.name} is ignored: allowlists/sources.yaml says where packages come from"
