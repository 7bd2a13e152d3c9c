"""Figures of a conda closure that becomes layers: packages of this machine's own libraries, cold, on an empty base."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench.place import ROOT, MeasureError, Place, Say
from bench.rows import Row
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, Target, conda_artifact, sha256_hex
from sekisho.zstd import compress
from sekisho_builder.oci.layout import LAYER, Descriptor, Layer, write_layout

PACKAGES, _FEW = 40, 3
_ROUNDS = 3
_MOST = 300
"""MiB, of each process that packs layers."""

_BYTES = 16_000_000
"""That each package unpacks to, about."""

_LEVEL = 9
_HOME = "/opt/" + "placehold_" * 24
_TARGET = Target(python="3.11.2", glibc="2.36")


def measure(place: Place, say: Say, quick: bool) -> list[Row]:  # noqa: FBT001 (as all that are taken alone)
    """Assemble a closure, each time with nothing kept and in a new process."""
    folder, count = place.work / "laying", _FEW if quick else PACKAGES
    say(f"making {count} conda packages of this machine's libraries")
    plain = write_closure(folder, count)
    rounds = []
    for number in range(1 if quick else _ROUNDS):
        say(f"a conda closure becomes layers, round {number + 1}")
        command = [sys.executable, "-m", "bench.conda.once", "lay", json.dumps({"folder": str(folder), "out": number})]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rounds.append(json.loads(done.stdout))
    if len({row["manifest"] for row in rounds}) != 1:
        raise MeasureError("the same closure gave different images")
    first = rounds[0]
    note = f"{count} packages, {first['packed'] / 1e6:,.0f} MB that unpack to {plain / 1e6:,.0f}; "
    note += f"layers of {first['size'] / 1e6:,.0f} MB; processor {median(row['processor'] for row in rounds):.1f} s"
    seconds = median(row["seconds"] for row in rounds)
    peak = max(row["peak"] for row in rounds), max(row["child"] for row in rounds)
    return [
        Row("a conda closure becomes an image, nothing kept", seconds, "s", None, "lower", note=note),
        Row("… MB unpacked each second", plain / 1e6 / seconds, "MB/s", None, "higher"),
        Row("… memory of a process at its peak", max(peak), "MiB", _MOST, "lower", note="two pack at once"),
    ]


def write_closure(folder: Path, count: int) -> int:
    """Write a base, packages, a definition and a lock; return the bytes that the packages unpack to."""
    (folder / "packages").mkdir(parents=True)
    chance, parts, plain = Random(6), _libraries(), 0  # noqa: S311 (the same each time)
    artifacts = []
    for number in range(count):
        name = "python" if number == 0 else f"library-{number}"
        files = {f"lib/{name}/{row}.so": data for row, data in enumerate(_some(chance, parts))}
        plain += sum(map(len, files.values()))
        artifact, data = _package(name, _TARGET.python if number == 0 else "1.0", files)
        (folder / "packages" / artifact.sha256).write_bytes(data)
        artifacts.append(artifact)
    definition = ImageDefinition.parse(
        {
            "name": "bench",
            "base": {"debian": "none"},
            "target": _TARGET.plain(),
            "conda": ["python"],
            "prefix": "/opt/env",
        },
        where="bench",
    )
    lock = Lock(name="bench", closure="0" * 64, workspace="everyone", target=_TARGET, direct=(), conda=("python",),
                approvals=("1",), artifacts=tuple(artifacts))  # fmt: skip
    (folder / "definition.json").write_bytes(definition.canonical())
    (folder / "lock.json").write_bytes(lock.canonical())
    tar = bytes(1024)
    packed = gzip.compress(tar, mtime=0)
    (folder / "base.gz").write_bytes(packed)
    layer = Layer(folder / "base.gz", Descriptor(LAYER, sha256_hex(packed), len(packed)), sha256_hex(tar), "base")
    config = {"created": "2026-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {}}
    write_layout(folder / "base", [layer], config, {})
    return plain


def _libraries() -> list[bytes]:
    """Return the libraries and the sources of this Python."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    found = sorted((*stdlib.glob("lib-dynload/*.so"), *stdlib.glob("*.py"), *stdlib.glob("asyncio/*.py")))
    return [path.read_bytes() for path in found]


def _some(chance: Random, parts: list[bytes]) -> list[bytes]:
    """Return files of about the size of a package, none like those of another one."""
    files, size = [], 0
    while size < _BYTES:
        whole = b"".join(chance.sample(parts, 12)) + chance.randbytes(4096)
        whole += _HOME.encode() + b"/lib\0" if chance.random() < 0.2 else b""
        files.append(whole)
        size += len(whole)
    return files


def _package(name: str, version: str, files: dict[str, bytes]) -> tuple[Artifact, bytes]:
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    rows = [
        {"_path": path, "path_type": "hardlink", "sha256": sha256_hex(data), "size_in_bytes": len(data)}
        | ({"prefix_placeholder": _HOME, "file_mode": "binary"} if _HOME.encode() in data else {})
        for path, data in files.items()
    ]
    stem = f"{name}-{version}-0"
    info = {"info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": rows, "paths_version": 1}).encode()}  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        archive.writestr(f"pkg-{stem}.tar.zst", compress(_tar(files), _LEVEL))
        archive.writestr(f"info-{stem}.tar.zst", compress(_tar(info), _LEVEL))
    data = out.getvalue()
    record: dict[str, Any] = index | {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return conda_artifact("bench", f"{stem}.conda", record, subdir="linux-64"), data


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
