"""Those who read images, each in a folder of its own: what a person would run, and what shows that it was read right.

Every one but trivy, which looks into layers, unpacks the image and has its Python import what came from spliced layers.
"""

import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.place import ROOT, MeasureError
from sekisho.containers import DockerContainers
from sekisho.ports import ContainerTask
from sekisho.store import file_sha256
from sekisho_builder.oci import Layout, to_docker_archive

TRIVY = ROOT / ".venv-trivy" / "bin" / "trivy"
_PATIENCE = 600
_TAG = "latest"
_PROGRAM = "import numpy, pandas; print('sum', pandas.Series(numpy.arange(4)).sum())"
_SAYS = "sum 6"


class Subject(NamedTuple):
    """An image: as a layout, as one whose index has a tag, in a registry; its packages; a folder to work in."""

    layout: Layout
    tagged: Path
    reference: str
    packages: frozenset[str]
    python: str
    work: Path


Read = Callable[[Subject], str]
"""Reads the image and says how it was checked; raises ``MeasureError`` if it was not read as it should be."""


class Reader(NamedTuple):
    """A program, the command that tells its version, and how it reads."""

    name: str
    version: tuple[str, ...]
    read: Read


def run(command: list[str], **more: str) -> str:
    """Run a program and return what it printed; raise ``MeasureError`` if it fails."""
    environment = {**os.environ, **more}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE, env=environment)
    if done.returncode:
        raise MeasureError(f"{' '.join(command)[:160]} failed: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def tag(layout: Layout, folder: Path) -> Path:
    """Copy a layout whose index names the image, as some readers want it (image-spec, annotations.md)."""
    shutil.copytree(layout.folder, folder, copy_function=os.link)
    index = json.loads((folder / "index.json").read_bytes())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": _TAG}
    (folder / "index.json").unlink()
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def _said(output: str) -> str:
    if output.strip().splitlines()[-1:] != [_SAYS]:
        raise MeasureError(f"Python said {output.strip()[-200:]!r}, not {_SAYS!r}")
    return "unpacked; numpy and pandas run"


def skopeo(subject: Subject) -> str:
    """Copy the image, decompressed: what comes out must be what the config says of the layers."""
    out = subject.work / "skopeo"
    source = f"oci:{subject.tagged}:{_TAG}"
    run(["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-decompress", source, f"dir:{out}"])
    wanted = subject.layout.config["rootfs"]["diff_ids"]
    found = [row["digest"] for row in json.loads((out / "manifest.json").read_bytes())["layers"]]
    if found != wanted:
        raise MeasureError("the decompressed layers are not those that the config names")
    for digest in wanted:
        sha256 = digest.removeprefix("sha256:")
        if file_sha256(out / sha256) != sha256:
            raise MeasureError(f"the decompressed layer {digest} is damaged")
    return f"all {len(wanted)} layers decompressed to their diff_ids"


def _docker_pull(subject: Subject) -> str:
    containers = DockerContainers()
    return _in_docker(subject, containers, containers.pull(subject.reference))


def _docker_load(subject: Subject) -> str:
    containers = DockerContainers()
    archive = to_docker_archive(subject.layout, subject.work / "docker.tar")
    return _in_docker(subject, containers, containers.load(archive))


def _in_docker(subject: Subject, containers: DockerContainers, image: str) -> str:
    try:
        return _said(containers.run(ContainerTask(image=image, command=(subject.python, "-c", _PROGRAM))).output)
    finally:
        containers.remove(image)


def _containerd(subject: Subject) -> str:
    """Import into a containerd of our own, which checks every diff_id while it unpacks, and run without a network."""
    folder = subject.work / "containerd"
    folder.mkdir()
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(subject.tagged, ".")
    with _own_containerd(folder) as ctr:
        run([*ctr, "images", "import", "--base-name", "sekisho.invalid/image", str(archive)])
        name = f"sekisho.invalid/image:{_TAG}"
        return _said(run([*ctr, "run", "--rm", name, f"sekisho-{os.getpid()}", subject.python, "-c", _PROGRAM]))


@contextmanager
def _own_containerd(folder: Path) -> Iterator[list[str]]:
    socket = folder / "sock"
    config = folder / "config.toml"
    config.write_text(f'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\nroot = "{folder}/root"\n'
                      f'state = "{folder}/state"\n[grpc]\naddress = "{socket}"\n')  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["containerd", "--config", str(config)], stdout=log, stderr=log)
    try:
        ctr = ["ctr", "--address", str(socket), "--namespace", "sekisho"]
        for _ in range(100):
            if process.poll() is not None:
                raise MeasureError(f"containerd ended: {(folder / 'log').read_text()[-300:]}")
            if socket.exists() and subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        yield ctr
    finally:
        process.terminate()
        process.wait(30)


def _buildah(subject: Subject) -> str:
    options = ["--root", str(subject.work / "buildah"), "--runroot", str(subject.work / "buildah-run"),
               "--storage-driver", "vfs"]  # fmt: skip
    container = run(["buildah", *options, "from", f"oci:{subject.tagged}:{_TAG}"]).strip()
    return _said(
        run(["buildah", *options, "run", "--isolation", "chroot", container, "--", subject.python, "-c", _PROGRAM])
    )


def _podman(subject: Subject) -> str:
    options = ["--root", str(subject.work / "podman"), "--runroot", str(subject.work / "podman-run"),
               "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]  # fmt: skip
    image = run(["podman", *options, "pull", "--quiet", f"oci:{subject.tagged}:{_TAG}"]).strip()
    root = run(["podman", *options, "image", "mount", image]).strip()
    try:
        return _said(run(["chroot", root, subject.python, "-c", _PROGRAM]))
    finally:
        run(["podman", *options, "image", "umount", image])


def _umoci(subject: Subject) -> str:
    bundle = subject.work / "umoci"
    run(["umoci", "unpack", "--image", f"{subject.tagged}:{_TAG}", str(bundle)])
    return _said(run(["chroot", str(bundle / "rootfs"), subject.python, "-c", _PROGRAM]))


def _trivy(subject: Subject) -> str:
    """List the packages of the layout: trivy must see every one that was locked."""
    options = ["--cache-dir", str(subject.work / "trivy"), "--quiet", "--offline-scan", "--skip-db-update"]
    told = json.loads(
        run([str(TRIVY), *options, "image", "--input", str(subject.layout.folder), "--format", "cyclonedx"])
    )
    rows: list[dict[str, Any]] = told["components"]
    found = {
        row["purl"].partition("@")[0].rpartition("/")[2] for row in rows if row.get("purl", "").startswith("pkg:pypi/")
    }
    if missing := subject.packages - found:
        raise MeasureError(f"trivy does not see {', '.join(sorted(missing))}")
    return f"all {len(subject.packages)} packages of the lock are seen"


READERS = (
    Reader("skopeo copy --dest-decompress", ("skopeo", "--version"), skopeo),
    Reader("umoci unpack", ("umoci", "--version"), _umoci),
    Reader("buildah from, run", ("buildah", "--version"), _buildah),
    Reader("podman pull, mount", ("podman", "--version"), _podman),
    Reader("containerd import, run", ("containerd", "--version"), _containerd),
    Reader("docker load, run", ("docker", "version", "--format", "{{.Server.Version}}"), _docker_load),
    Reader("docker pull, run", ("docker", "version", "--format", "{{.Server.Version}}"), _docker_pull),
    Reader("trivy image --input", (str(TRIVY), "--version"), _trivy),
)
