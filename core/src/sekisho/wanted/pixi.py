"""pixi's files: ``pixi.toml`` says what is wanted, ``pixi.lock`` holds an answer for some platforms."""

from collections.abc import Iterator, Mapping
from typing import Any

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS, normalize_project
from sekisho.wanted.environment import python_spec
from sekisho.wanted.explicit import arch_of, exact_spec, read_address
from sekisho.wanted.specs import read_spec
from sekisho.wanted.value import (
    IN_HOUSE,
    Choice,
    Lines,
    Named,
    Wanted,
    check_count,
    chosen,
    read_requirement,
    read_toml,
    shown,
    table,
    texts,
    together,
)

_TARGETS = ("unix", "linux")
_SPEC_KEYS = ("version", "build", "build-number", "channel", "md5", "sha256")
_LOCKS = (6, 7)
_FILES = (".whl", ".tar.gz", ".zip")
_BRACKETS = {"build": "build", "build-number": "build_number", "md5": "md5", "sha256": "sha256"}


def read_pixi(text: str, choice: Choice = Choice(), *, where: str, subdir: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read a manifest; features that ``choice`` names as groups count, too."""
    whole = read_toml(text, where=where)
    head = table(whole, "workspace", where=where) or table(whole, "project", where=where)
    features = table(whole, "feature", where=where)
    if choice.extras:
        raise BadInputError("a pixi.toml has no extras", where=where, todo="name a feature with --group")
    chosen(choice.groups, features, "feature", where=where)
    lines = Lines(text, where)
    parts = [whole, *(table(features, name, where=where) for name in choice.groups)]
    rows = head.get("channels") or []
    if not isinstance(rows, list):
        raise BadInputError("`channels` is not a list", where=lines.at("channels"))
    named = [row.get("channel") if isinstance(row, dict) else row for row in rows]
    channels = [Named(row, lines.at(row, "channels")) for row in texts(named, "channels", where=where)]
    found = [_part(part, lines, where, subdir) for part in parts]
    left = tuple(f"feature {name} is left out; --group takes it" for name in features if name not in choice.groups)
    return together([Wanted(channels=tuple(channels), ignored=left), *found])


def _part(part: Mapping[str, Any], lines: Lines, where: str, subdir: str) -> Wanted:
    """Return what the manifest itself, or one feature, asks for on a platform."""
    targets = table(part, "target", where=where)
    tables = [part, *(table(targets, name, where=where) for name in (*_TARGETS, subdir))]
    specs: list[Named] = []
    wanted: list[str] = []
    for one in tables:
        for name, value in table(one, "dependencies", where=where).items():
            here = lines.at(name)
            specs.append(Named(_spec(name, value, here), here))
        for name, value in table(one, "pypi-dependencies", where=where).items():
            wanted.append(_requirement(name, value, lines.at(name)))
    check_count(len(specs) + len(wanted), MOST_REQUIREMENTS, "dependencies", where=where)
    pythons = [python_spec(row.text, where=row.where) for row in specs if _is_python(row.text)]
    return Wanted(requirements=tuple(wanted), conda=tuple(specs), python=",".join(filter(None, pythons)) or None)


def _is_python(spec: str) -> bool:
    return spec.rpartition("::")[2].split(" ")[0].split("[")[0] == "python"


def _spec(name: str, value: object, where: str) -> str:
    rows = {"version": value} if isinstance(value, str) else value
    if not isinstance(rows, dict) or (unknown := set(rows) - set(_SPEC_KEYS)):
        odd = ", ".join(sorted(unknown)) if isinstance(rows, dict) else str(value)
        raise BadInputError(f"{shown(name)} is asked for with {shown(odd)!r}", where=where, todo="name a version")
    version = str(rows.get("version", "*"))
    inside = ",".join(f"{_BRACKETS[key]}='{row}'" for key, row in rows.items() if key in _BRACKETS)
    place = f"{rows['channel']}::" if rows.get("channel") else ""
    plain = f"{place}{name}" if version.strip() == "*" else f"{place}{name} {version}"
    return read_spec(f"{plain}[{inside}]" if inside else plain, where=where)


def _requirement(name: str, value: object, where: str) -> str:
    rows = {"version": value} if isinstance(value, str) else value
    if not isinstance(rows, dict) or set(rows) - {"version", "extras", "env-markers"}:
        raise BadInputError(
            f"{shown(name)} comes from no index, and only projects of a source can be judged",
            where=where,
            todo=IN_HOUSE,
        )
    version = str(rows.get("version", "*")).strip()
    extras = rows.get("extras") or []
    bracket = f"[{','.join(map(str, extras))}]" if isinstance(extras, list) and extras else ""
    marker = f" ; {rows['env-markers']}" if rows.get("env-markers") else ""
    bare = "" if version == "*" else version if version[:1] in "<>=!~" else f"=={version}"
    return str(read_requirement(f"{name}{bracket}{bare}{marker}", where=where))


def read_pixi_lock(text: str, choice: Choice = Choice(), *, where: str, subdir: str) -> Wanted:  # noqa: B008 (an immutable value)
    """Read what a lock has for a platform; one of ``choice``'s groups names the environment, else it is ``default``."""
    found = load_yaml(text, where=where)
    if not isinstance(found, dict) or found.get("version") not in _LOCKS:
        said = shown(str(found.get("version"))) if isinstance(found, dict) else "none"
        raise BadInputError(f"a pixi.lock of version {said} is not known", where=where, todo="lock again with pixi")
    if choice.extras or len(choice.groups) > 1:
        raise BadInputError("one environment is taken of a pixi.lock", where=where, todo="name it with --group")
    name = next(iter(choice.groups), "default")
    environments = table(found, "environments", where=where)
    if name not in environments:
        known = ", ".join(sorted(environments))[:200]
        raise BadInputError(f"there is no environment {shown(name)}", where=where, todo=f"it has {known or 'none'}")
    packages = table(environments, name, "packages", where=where)
    if subdir not in packages or not isinstance(packages[subdir], list):
        raise BadInputError(f"environment {shown(name)} has nothing for {subdir}", where=where, todo="lock for it")
    check_count(len(packages[subdir]), MOST_REQUIREMENTS, "packages", where=where)
    rows, lines = dict(_rows(found, where)), Lines(text, where)
    specs: list[Named] = []
    pins: list[str] = []
    hashes: dict[str, tuple[str, ...]] = {}
    python = None
    for one in packages[subdir]:
        kind, address = _entry(one, where)
        here = lines.at(f"{kind}: {address}")
        row = rows.get((kind, address), {})
        if kind == "conda":
            place, _, package = read_address(address, where=here)
            digest = str(row.get("sha256") or row.get("md5") or "")
            specs.append(Named(exact_spec(place, package, digest, where=here), here))
            python = f"=={package.version}" if package.name == "python" else python
        else:
            pin, digest = _pinned(address, row, here)
            pins.append(pin)
            if digest:
                hashes[normalize_project("pypi", pin.partition("==")[0])] = (digest,)
    channels = {place: Named(place, row.where) for row in specs if (place := row.text.rpartition("::")[0])}
    return Wanted(
        requirements=tuple(pins),
        hashes=hashes,
        conda=tuple(specs),
        channels=tuple(channels.values()),
        python=python,
        arch=arch_of({subdir}, where=where),
    )


def _rows(found: Mapping[str, Any], where: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    rows = found.get("packages")
    if not isinstance(rows, list):
        raise BadInputError("a pixi.lock has a list `packages`", where=where)
    for row in rows:
        if isinstance(row, dict):
            yield _entry({key: row[key] for key in ("conda", "pypi") if key in row}, where), row


def _entry(one: object, where: str) -> tuple[str, str]:
    if isinstance(one, dict):
        for kind in ("conda", "pypi"):
            if isinstance(one.get(kind), str):
                return kind, one[kind]
    raise BadInputError(
        f"{shown(str(one))!r} is no package of a channel or an index",
        where=where,
        todo="what is built here is not asked for",
    )


def _pinned(address: str, row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Return the requirement and the sha256 of a file of an index."""
    if not address.partition("#")[0].endswith(_FILES) or "://" not in address:
        raise BadInputError(
            f"{shown(address)!r} comes from no index, and only projects of a source can be judged",
            where=where,
            todo=IN_HOUSE,
        )
    pin = read_requirement(f"{row.get('name')}=={row.get('version')}", where=where)
    return str(pin), str(row.get("sha256") or "").lower()
