"""A conda package of unknown intent becomes facts; nothing of it is run (CEP 34, CEP 35).

What its channel says of it is held to what it says itself, and its own list of paths to its bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from sekisho.conda_archive import PackageInfo, is_link_script, read_members
from sekisho.conda_archive.info import LARGEST_INFO, is_kept
from sekisho.model import Facts, Finding
from sekisho_proxy.inspect.conda_paths import Paths, check_paths
from sekisho_proxy.inspect.conda_places import noticed_places
from sekisho_proxy.inspect.contents import is_native
from sekisho_proxy.inspect.findings import findings
from sekisho_proxy.inspect.held import contained, is_metadata
from sekisho_proxy.inspect.modules import importable
from sekisho_proxy.inspect.startup import in_site, starts_in_environment

_MOST_NATIVE = 5000
_LARGEST_METADATA = 4 << 20
_HINT = 120
_IDENTITY = ("name", "version", "build", "build_number", "subdir", "noarch", "python_site_packages_path")
_NEEDS = ("depends", "constrains")
_INTERPRETERS = ("python", "pypy", "graalpy", "libpython-static")


def inspect_conda(file: BinaryIO, filename: str, record: str, *, sha256: str, size: int) -> Facts:
    """Return the facts of a package; raise ``ConfusingError`` for one that readers could take for two things.

    ``record`` is what the channel says of it, as canonical JSON.
    """
    paths = Paths()
    kept: dict[str, bytes] = {}
    metadata: dict[str, bytes] = {}
    native: list[str] = []
    names: set[str] = set()
    for member in read_members(file, filename):
        if member.path.partition("/")[0] == "info":
            names.add(member.path)
            if is_kept(member):
                kept[member.path] = member.read(LARGEST_INFO)
            continue
        digest, head, whole = hashlib.sha256(), b"", bytearray()
        wanted = is_metadata(member.path) and member.size <= _LARGEST_METADATA
        for chunk in member.chunks:
            head = head or chunk[:4]
            digest.update(chunk)
            if wanted:
                whole += chunk
        paths.add(member, digest.digest())
        if is_metadata(member.path):
            metadata[member.path] = bytes(whole)
        if member.kind == "file" and is_native(member.path, head):
            native.append(member.path)
    info = PackageInfo.of(kept, frozenset(names))
    held, unread = contained(metadata)
    sites = [name for path in paths.kinds if (name := in_site(path))]
    return Facts(
        sha256=sha256,
        size=size,
        files=len(paths.kinds),
        unpacked=sum(paths.sizes.values()),
        license_hint=_licence(info),
        requires=_texts(info.index.get("depends")),
        native=tuple(sorted(native)[:_MOST_NATIVE]),
        top_level=importable(sites),
        findings=(*_said(info, record, unread), *_found(info, paths)),
        contains=held,
    )


def _said(info: PackageInfo, record: str, unread: list[str]) -> Iterator[Finding]:
    """Yield where the channel says something else than the package does."""
    try:
        stated = json.loads(record)
    except ValueError:
        stated = None
    if not isinstance(stated, dict):
        yield from findings("metadata_mismatch", ["the channel's record of it is missing"])
        return
    yield from findings("metadata_mismatch", [*_differences(info.index, stated, _IDENTITY), *unread])
    yield from findings("depends_mismatch", list(_differences(info.index, stated, _NEEDS)))


def _differences(index: Mapping[str, Any], stated: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        own, theirs = _normal(key, index.get(key)), _normal(key, stated.get(key))
        if own == theirs:
            continue
        if isinstance(own, list) and isinstance(theirs, list):
            more, less = ([text for text in one if text not in other] for one, other in ((theirs, own), (own, theirs)))
            said = [f"{sign} {text}" for sign, texts in (("with", more), ("without", less)) for text in texts[:3]]
            yield f"the channel states other {key} than index.json: {', '.join(said) or 'in another order'}"
        else:
            yield f"the channel states {key} {_show(stated.get(key))}, index.json {_show(index.get(key))}"


def _normal(key: str, value: object) -> object:
    """Return a value as records have it: a list that is missing is empty, and so on."""
    if key in _NEEDS:
        return value or []
    if key == "build_number":
        return value or 0
    if key == "noarch":
        return "generic" if value is True else value or None
    return value


def _show(value: object) -> str:
    return repr(value)[:80]


def _found(info: PackageInfo, paths: Paths) -> Iterator[Finding]:
    """Yield what was noticed in the files."""
    name = str(info.index.get("name"))
    yield from findings("record_mismatch", check_paths(info, paths))
    interpreter = name in _INTERPRETERS or name.startswith("pypy3")
    written = [f"bin/{one.command}" for one in info.entry_points]  # by the installer
    starting = [path for path in (*paths.kinds, *written) if starts_in_environment(path, interpreter=interpreter)]
    yield from findings("top_level_pth", starting)
    yield from findings("link_script", [path for path in written if is_link_script(path)])
    for code, details in noticed_places(paths, info.names).items():
        yield from findings(code, details)


def _licence(info: PackageInfo) -> str | None:
    """Return the licence that the package states; where its two files differ, both: that is none we know."""
    stated = (info.index.get("license"), info.about.get("license"))
    found = dict.fromkeys(" ".join(text.split()) for text in stated if isinstance(text, str) and text.strip())
    said = " / ".join(found)
    return said if 0 < len(said) <= _HINT else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
