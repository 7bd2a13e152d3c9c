"""``pylock.toml`` (PEP 751): every package as a pin with its hashes."""

import re
from collections.abc import Collection

from packaging.pylock import Package, Pylock, PylockUnsupportedVersionError, PylockValidationError

from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS, normalize_project
from sekisho.wanted.value import (
    IN_HOUSE,
    Choice,
    Wanted,
    check_count,
    chosen,
    line_of,
    may_run,
    read_requirement,
    read_toml,
)

_CHOSEN = re.compile(r"""(["'])([^"']*)\1\s+(not\s+)?in\s+(extras|dependency_groups)""")
_ALWAYS, _NEVER = 'python_version >= "3"', 'python_version < "3"'


def read_pylock(text: str, choice: Choice = Choice(), *, where: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read a lock; raise ``BadInputError`` for what an index does not give. Without groups its default ones count."""
    try:
        lock = Pylock.from_dict(read_toml(text, where=where))
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise BadInputError(f"not a pylock.toml: {error}", where=where, todo="lock it again") from error
    extras = chosen(choice.extras, lock.extras or (), "extra", where=where)
    groups = chosen(choice.groups, lock.dependency_groups or (), "dependency group", where=where)
    groups = groups or {normalize_project("pypi", name) for name in lock.default_groups or ()}
    check_count(len(lock.packages), MOST_REQUIREMENTS, "packages", where=where)
    pins: list[str] = []
    hashes: dict[str, tuple[str, ...]] = {}
    for package in lock.packages:
        marker = _settled(str(package.marker or ""), extras, groups)
        if marker is None:
            continue
        with line_of(where, text, f'\nname = "{package.name}"'):
            _check(package, where)
            pins.append(str(read_requirement(f"{package.name}=={package.version}{marker}", where=where)))
        known = [one.hashes.get("sha256", "").lower() for one in package.wheels or () if may_run(one.filename)]
        if any(known):
            hashes[package.name] = (*hashes.get(package.name, ()), *filter(None, known))
    return Wanted(
        requirements=tuple(pins),
        hashes=hashes,
        python=str(lock.requires_python) if lock.requires_python is not None else None,
    )


def _settled(marker: str, extras: Collection[str], groups: Collection[str]) -> str | None:
    """Return a marker in which the choice of extras and groups is settled; ``None`` if nothing else is left of it."""
    if not marker:
        return ""

    def settle(found: re.Match[str]) -> str:
        inside = normalize_project("pypi", found[2]) in (extras if found[4] == "extras" else groups)
        return _NEVER if inside == bool(found[3]) else _ALWAYS

    settled = _CHOSEN.sub(settle, marker)
    return None if settled == _NEVER else f" ; {settled}"


def _check(package: Package, where: str) -> None:
    for kind in ("vcs", "directory", "archive"):
        if getattr(package, kind) is not None:
            raise BadInputError(
                f"{package.name} comes from a {kind}, and only projects of a source can be judged",
                where=where,
                todo=IN_HOUSE,
            )
    if package.version is None:
        raise BadInputError(f"{package.name} has no version", where=where, todo="lock it again")
