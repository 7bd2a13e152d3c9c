"""``conda-lock.yml`` (CEP 37): rows of packages for some platforms, of channels and of an index."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS
from sekisho.unified_lock import package_rows
from sekisho.wanted.explicit import arch_of, exact_spec, read_address
from sekisho.wanted.value import Choice, Lines, Named, Wanted, check_count, read_requirement, shown

_MAIN = "main"


def read_conda_lock(text: str, choice: Choice = Choice(), *, where: str, subdir: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read what a lock of version 1 has for a platform; raise ``BadInputError`` for what an index does not give.

    Rows of the category ``main`` are taken, and those that ``choice`` names as groups.
    """
    rows = package_rows(text, where=where)
    wanted = {_MAIN, *choice.groups}
    platforms = {str(row.get("platform")) for row in rows}
    if subdir not in platforms:
        raise BadInputError(
            f"it has nothing for {subdir}", where=where, todo=f"it is for {', '.join(sorted(platforms))[:200]}"
        )
    here = [row for row in rows if row.get("platform") == subdir]
    if unknown := wanted - {_MAIN} - {category for row in here for category in _categories(row)}:
        raise BadInputError(f"there is no category {', '.join(sorted(unknown))[:80]}", where=where, todo="see the file")
    taken = [row for row in here if wanted.intersection(_categories(row))]
    check_count(len(taken), MOST_REQUIREMENTS, "packages", where=where)
    lines = Lines(text, where)
    specs = [Named(*pair) for pair in _specs(taken, lines)]
    channels = {place: Named(place, row.where) for row in specs if (place := row.text.rpartition("::")[0])}
    pins, hashes = _pins(taken, lines)
    pythons = [str(row.get("version")) for row in taken if (row.get("name"), row.get("manager")) == ("python", "conda")]
    left = len(here) - len(taken)
    return Wanted(
        requirements=pins,
        hashes=hashes,
        conda=tuple(specs),
        channels=tuple(channels.values()),
        python=f"=={pythons[0]}" if pythons else None,
        arch=arch_of({subdir}, where=where),
        ignored=(f"{left} packages of other categories are left out; --group takes one",) if left else (),
    )


def _categories(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row.get("categories") or row.get("category", _MAIN)
    return tuple(map(str, found)) if isinstance(found, list) else (str(found),)


def _hash(row: Mapping[str, Any], key: str) -> str:
    found = row.get("hash")
    return str(found.get(key) or "") if isinstance(found, dict) else ""


def _specs(rows: list[dict[str, Any]], lines: Lines) -> Iterator[tuple[str, str]]:
    for row in rows:
        if row.get("manager") != "conda":
            continue
        url = str(row.get("url", ""))
        here = lines.at(f"url: {url}")
        place, _, package = read_address(url, where=here)
        if (package.name, package.version) != (row.get("name"), str(row.get("version"))):
            raise BadInputError(f"the row of {shown(str(row.get('name')))} has another package's address", where=here)
        yield exact_spec(place, package, _hash(row, "sha256") or _hash(row, "md5"), where=here), here


def _pins(rows: list[dict[str, Any]], lines: Lines) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the requirements of an index, and the hash of each; a file that only its address finds is refused."""
    pins: list[str] = []
    hashes: dict[str, tuple[str, ...]] = {}
    for row in rows:
        manager, name = row.get("manager"), str(row.get("name"))
        if manager == "conda":
            continue
        here = lines.at(f"name: {name}")
        if manager != "pip":
            raise BadInputError(f"{shown(name)} has an unknown manager {shown(str(manager))!r}", where=here)
        if not urlsplit(str(row.get("url", ""))).path.endswith((".whl", ".tar.gz", ".zip")):
            raise BadInputError(f"{shown(name)} comes from no index, and only its projects can be judged", where=here)
        pin = read_requirement(f"{name}=={row.get('version')}", where=here)
        pins.append(str(pin))
        if digest := _hash(row, "sha256"):
            hashes[pin.name] = (digest.lower(),)
    return tuple(pins), hashes
