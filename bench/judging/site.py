"""What one request meets: an upstream on loopback with what PyPI had, and portal, proxy and builder as one process."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench import nginx
from bench.judging.corpus import DATA, data_file
from bench.judging.recording import Recording, metadata_of, moved
from bench.place import BIN, ROOT, MeasureError, bare_environment, free_port
from bench.processes import Server, Servers
from sekisho.client import PortalClient
from sekisho.model import EVERYONE

SOURCE = "bench"
_START = 60.0


class Site(NamedTuple):
    """Who asks, who decides, the process that answers both, and the index that a workspace has of it."""

    server: Server
    portal: PortalClient
    approver: PortalClient
    door: str


def lay_upstream(servers: Servers, folder: Path, kept: Recording, more: str) -> str:
    """Serve the recording; return the address of its index. ``more`` is asked for files that are not kept yet."""
    port = free_port()
    url, root = f"http://127.0.0.1:{port}", folder / "root"
    for project, page in kept.pages.items():
        rows = [_row(root, url, kept, row) for row in page["files"]]
        body = json.dumps({**page, "files": rows}).encode()
        nginx.lay_page(root, f"simple/{project}", body, gzip.compress(body, 3))
    server = nginx.start(servers, "upstream", folder, port, log=True, more=more)
    server.wait_for(f"{url}/simple/{next(iter(kept.pages))}/")
    return f"{url}/simple/"


def _row(root: Path, url: str, kept: Recording, row: dict[str, Any]) -> dict[str, Any]:
    path = urlsplit(row["url"]).path.lstrip("/")
    file, beside = kept.file(path), kept.file(f"{path}.metadata")
    if file.exists():
        nginx.lay_file(root, path, file)
        if not beside.exists():
            beside.write_bytes(metadata_of(file))
    found = moved(row, url)
    if beside.exists():
        nginx.lay_file(root, f"{path}.metadata", beside)
        found["core-metadata"] = {"sha256": hashlib.sha256(beside.read_bytes()).hexdigest()}
    return found


@contextmanager
def open_site(servers: Servers, folder: Path, index: str) -> Iterator[Site]:
    """Start a new installation by the shipped policy, whose only source is ``index``, with advisories of today."""
    portal, proxy = free_port(), free_port()
    environment = bare_environment(
        folder,
        SEKISHO_DATA=str(folder / "data"),
        SEKISHO_ALLOWLISTS=str(_lay_tree(folder / "tree", index)),
        SEKISHO_PORTAL_PORT=str(portal),
        SEKISHO_PROXY_PORT=str(proxy),
    )
    tokens = {role: _token(environment, role) for role in ("requester", "approver", "admin")}
    server = servers.start("sekisho", [str(BIN / "sekisho"), "up"], environment, folder)
    url = f"http://127.0.0.1:{portal}"
    try:
        server.wait_for(f"{url}/readyz", seconds=_START)
        with PortalClient(url, tokens["admin"]) as admin:
            admin.import_feed("osv", advisories_of_today(), name=DATA)
        server.wait_for(f"http://127.0.0.1:{proxy}/readyz", seconds=_START)
        with PortalClient(url, tokens["requester"]) as asking, PortalClient(url, tokens["approver"]) as approving:
            yield Site(server, asking, approving, f"http://127.0.0.1:{proxy}/w/{EVERYONE}/pypi/simple/")
    finally:
        servers.stop(server)


def _lay_tree(tree: Path, index: str) -> Path:
    """Lay a repository with the shipped policy down; return its allowlists."""
    allowlists = tree / "allowlists"
    allowlists.mkdir(parents=True)
    shutil.copy(ROOT / "allowlists" / "policy.yaml", allowlists)
    (allowlists / "sources.yaml").write_text(f"sources:\n  - {{id: {SOURCE}, url: {index}}}\n")
    who = ("-c", "user.name=bench", "-c", "user.email=bench@sekisho.invalid", "-c", "commit.gpgsign=false")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "Shipped policy")):
        subprocess.run(["git", "-C", str(tree), *who, *arguments], check=True, capture_output=True, timeout=60)
    return allowlists


def _token(environment: dict[str, str], role: str) -> str:
    command = [str(BIN / "sekisho"), "token", "issue", role, "--role", role, "--json"]
    folder = environment["HOME"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60, cwd=folder)
    if done.returncode:
        raise MeasureError(f"no token for {role}: {done.stderr.strip()[-300:]}")
    return str(json.loads(done.stdout)["token"])


def advisories_of_today() -> bytes:
    """Return the real advisories with one more, made up and of today, so that they are not too old to count."""
    today = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    affected = [{"package": {"ecosystem": "PyPI", "name": "bench-of-today"}, "versions": ["1.0"]}]
    record = {"id": "BENCH-1", "modified": today, "published": today, "affected": affected}
    packed = BytesIO(data_file().read_bytes())
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BENCH-1.json", json.dumps(record))
    return packed.getvalue()


def warm_files(kept: Recording, say: Callable[[str], None]) -> None:
    """Have the system hold every file in memory, so that whoever comes first does not pay for the disk."""
    say("reading what is kept, so that nobody pays for the disk")
    for file in (kept.folder / "files").rglob("*"):
        if file.is_file():
            with file.open("rb") as data:
                while os.readv(data.fileno(), [bytearray(1 << 20)]):
                    pass
