"""Whether spliced layers are accepted: every reader of images that is found here reads one of ours, with real wheels.

python -m bench.images.accepted            all readers; 0 if every one that is installed accepts the image
python -m bench.images.accepted skopeo …   those whose name begins so
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.images.readers import READERS, Reader, Subject, run, tag
from bench.images.site import start_registry
from bench.images.wheels import Shelf, definition, take
from bench.place import ROOT, MeasureError, Place
from bench.processes import Servers
from sekisho.errors import SekishoError
from sekisho.lock import Lock
from sekisho.settings import load_settings
from sekisho_builder.assemble import assemble
from sekisho_builder.base import open_base
from sekisho_builder.oci import Layout, push

_PROJECTS = ("numpy", "pandas")
"""They and what they need are the image: programs, tests, many small files, large members."""

Told = dict[str, Any]


def main() -> int:
    """Try all readers, and print and keep what came of it; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    told, place = Console(stderr=True, highlight=False), Place()
    work = place.home / "accepted"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    servers = Servers()
    try:
        subject = _make(take(place.cache, told.print), servers, work)
        chosen = [reader for reader in READERS if not sys.argv[1:] or reader.name.startswith(tuple(sys.argv[1:]))]
        rows = [_try(reader, subject) for reader in chosen]
    except (MeasureError, SekishoError) as error:
        told.print(f"images-accepted: {error}", style="red")
        return 1
    finally:
        servers.stop_all()
        shutil.rmtree(work, ignore_errors=True)
    (place.home / "accepted.json").write_text(json.dumps(rows, indent=2) + "\n")
    _show(rows)
    return (
        1
        if any(row["result"] == "refused" for row in rows) or not any(row["result"] == "accepted" for row in rows)
        else 0
    )


def _make(shelf: Shelf, servers: Servers, work: Path) -> Subject:
    lock = _small(shelf.lock)
    image = definition(lock)
    base = open_base(image, ROOT / "images", load_settings()).layout
    assemble(image, lock, base, shelf.wheels, cache=work / "layers", out=work / "image")
    layout = Layout(work / "image")
    registry = start_registry(servers, work / "registry")
    pushed = push(layout, registry.name, "accepted", "1")
    return Subject(
        layout,
        tag(layout, work / "tagged"),
        str(pushed.reference),
        frozenset(artifact.project for artifact in lock.artifacts),
        f"{image.prefix}/bin/python",
        work,
    )


def _small(lock: Lock) -> Lock:
    needed = {*_PROJECTS, "python-dateutil", "six", "tzdata", "pytz"}
    artifacts = tuple(artifact for artifact in lock.artifacts if artifact.project in needed)
    return lock.model_copy(update={"artifacts": artifacts, "direct": _PROJECTS})


def _try(reader: Reader, subject: Subject) -> Told:
    row: Told = {"reader": reader.name, "version": "", "result": "absent", "how": "not installed", "seconds": 0.0}
    if not shutil.which(reader.version[0]):
        return row
    began = time.monotonic()
    try:
        row["version"] = _version(run(list(reader.version)))
        row |= {"result": "accepted", "how": reader.read(subject)}
    except (MeasureError, SekishoError, OSError, subprocess.SubprocessError) as error:
        row |= {"result": "refused", "how": str(error)}
    return row | {"seconds": round(time.monotonic() - began, 1)}


def _version(said: str) -> str:
    words = said.splitlines()[0].replace(",", " ").split()
    return next((word for word in words if word.lstrip("v")[:1].isdigit()), words[-1])


def _show(rows: list[Told]) -> None:
    table = Table(title="Spliced layers", title_justify="left")
    for name in ("reader", "version", "result", "how", "seconds"):
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=150)).print(table)


if __name__ == "__main__":
    sys.exit(main())
