"""The upstream of all: nginx with what was taken from PyPI, a list of projects as long as PyPI's, and a log."""

import gzip
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench import nginx
from bench.place import free_port
from bench.processes import Server, Servers
from bench.pypi import Taken, Wheel

LARGE = "numpy"
"""The project of the set whose page is very large."""

_PROJECTS = 700_000
_SEED = 3


class Asked(NamedTuple):
    """One request that came in; ``who`` is the client's name for itself."""

    method: str
    path: str
    who: str


class Upstream(NamedTuple):
    """Where it is, and what it has beside what was taken."""

    url: str
    folder: Path
    server: Server
    big: Wheel
    herd: Wheel

    def asked(self) -> list[Asked]:
        """Return what it was asked so far."""
        rows = (line.split(" ", 4) for line in (self.folder / "asked").read_text().splitlines())
        return [Asked(method, path, who) for method, path, _, _, who in rows]


def start(servers: Servers, folder: Path, taken: Taken, *, big_size: int) -> Upstream:
    """Lay everything down and serve it."""
    port = free_port()
    url, root = f"http://127.0.0.1:{port}", folder / "root"
    files = folder / "made"
    files.mkdir(parents=True)
    big = _made(files, "bench-big-wheel", big_size, "packages/made")
    herd = _made(files, "bench-herd", min(big_size, 12_000_000), "packages/slow")
    pages = {
        **taken.pages,
        **{wheel.project: {"meta": {"api-version": "1.1"}, "name": wheel.project, "files": [wheel.row]}
           for wheel in (big, herd)},
    }  # fmt: skip
    held = {wheel.row["filename"]: wheel for wheel in (*taken.wheels, big, herd)}
    for project, page in pages.items():
        _lay(root, f"simple/{project}", _moved(page, url, held))
    for wheel in held.values():
        nginx.lay_file(root, wheel.path, wheel.file)
        nginx.lay_file(root, f"{wheel.path}.metadata", wheel.metadata)
    names = [{"name": name} for name in (*pages, *_names())]
    _lay(root, "simple", {"meta": {"api-version": "1.1"}, "projects": names})
    server = nginx.start(servers, "upstream", folder, port, log=True)
    server.wait_for(f"{url}/simple/{LARGE}/")
    return Upstream(url, folder, server, big, herd)


def _lay(root: Path, path: str, page: dict[str, Any]) -> None:
    body = json.dumps(page).encode()
    nginx.lay_page(root, path, body, gzip.compress(body, 3))


def _moved(page: dict[str, Any], url: str, held: dict[str, Wheel]) -> dict[str, Any]:
    """Return a page with its files at this address, and the METADATA's sha256 of what is here, as PyPI states it."""
    rows = []
    for row in page["files"]:
        moved = {**row, "url": url + urlsplit(row["url"]).path}
        if wheel := held.get(row["filename"]):
            moved["core-metadata"] = {"sha256": hashlib.sha256(wheel.metadata).hexdigest()}
        rows.append(moved)
    return {**page, "files": rows}


def _made(folder: Path, project: str, size: int, path: str) -> Wheel:
    """Make a wheel of random bytes, the same every time."""
    name = project.replace("-", "_")
    metadata = f"Metadata-Version: 2.4\nName: {project}\nVersion: 1.0\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{name}/data.bin", random.Random(_SEED).randbytes(size))  # noqa: S311 (filler)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
    data = packed.getvalue()
    file = folder / f"{name}-1.0-py3-none-any.whl"
    file.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    row = {
        "filename": file.name,
        "url": f"/{path}/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file.name}",
        "hashes": {"sha256": digest},
        "size": len(data),
        "upload-time": "2026-01-01T00:00:00Z",
        "yanked": False,
    }
    return Wheel(project, "1.0", file, row, metadata)


def _names() -> Iterator[str]:
    draw = random.Random(_SEED)  # noqa: S311 (filler)
    for number in range(_PROJECTS):
        yield f"{draw.getrandbits(32):x}-{number}"
