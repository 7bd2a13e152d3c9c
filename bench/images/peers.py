"""The peers: engines that build the same lock on the same base from a Dockerfile, with pip, and push it.

Docker's own builder and buildah. pip gets the same wheels from nginx on loopback, checks their hashes, and
resolves nothing.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench import nginx
from bench.images.site import Site
from bench.images.wheels import CHANGED
from bench.place import MeasureError, free_port
from bench.processes import timed
from sekisho.lock import Lock, to_requirements
from sekisho_builder.oci import to_docker_archive

_PATIENCE = 600
_DOCKERFILE = """\
FROM {base}
COPY {pip} requirements.lock /tmp/
RUN python3 -m venv --without-pip /opt/venv && python3 /tmp/{pip}/pip --python /opt/venv/bin/python install \\
    --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --index-url {index} -r /tmp/requirements.lock
"""


class Peer(NamedTuple):
    """An engine: how it builds (folder of a Dockerfile, name), how it pushes (name), how it forgets all it built."""

    name: str
    build: Callable[[Path, str], list[str]]
    push: Callable[[str], list[str]]
    forget: Callable[[str], list[str]]


class Took(NamedTuple):
    """Seconds: of building with no cache; of building and pushing, one package changed, and nothing changed."""

    cold: float
    changed: float
    nothing: float


DOCKER = Peer(
    "docker build",
    lambda folder, name: ["docker", "build", "--network", "host", "--tag", name, str(folder)],
    lambda name: ["docker", "push", name],
    lambda name: ["docker", "image", "rm", "--force", name],
)


def _buildah(storage: Path) -> Peer:
    """Return buildah with a storage of its own, which goes with the bench's folder."""
    command = ["buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run")]
    chroot = ["--layers", "--network", "host", "--isolation", "chroot", "--tls-verify=false"]
    return Peer(
        "buildah",
        lambda folder, name: [*command, "bud", *chroot, "--tag", name, str(folder)],
        lambda name: [*command, "push", "--tls-verify=false", name],
        lambda name: [*command, "rmi", "--force", name],
    )


def measure_peers(site: Site) -> tuple[dict[str, Took], dict[str, str]]:
    """Return what each peer took, and of those that could not be measured, why."""
    base = f"{site.registry.name}/bench/base:1"
    index = _serve(site)
    took, why = dict[str, Took](), dict[str, str]()
    _push_base(site, base)
    try:
        for peer in (DOCKER, _buildah(site.folder("buildah"))):
            try:
                took[peer.name] = _measure(site, peer, base, index)
            except (MeasureError, OSError, subprocess.SubprocessError) as error:
                why[peer.name] = f"{peer.name}: {error}"
    finally:
        _run(DOCKER.forget(base), check=False)
    return took, why


def _serve(site: Site) -> str:
    """Serve the wheels as an index; return its address."""
    port, root = free_port(), site.folder("index") / "root"
    url = f"http://127.0.0.1:{port}"
    both = {a.sha256: a for lock in (site.shelf.lock, site.shelf.changed) for a in lock.artifacts}
    pages: dict[str, list[Mapping[str, object]]] = {}
    for artifact in both.values():
        nginx.lay_file(root, artifact.path, site.shelf.files[artifact.sha256])
        row = {"filename": artifact.filename, "url": f"{url}/{artifact.path}", "hashes": {"sha256": artifact.sha256}}
        pages.setdefault(artifact.project, []).append(row)
    for project, rows in pages.items():
        page = {"meta": {"api-version": "1.0"}, "name": project, "files": rows}
        nginx.lay_page(root, f"simple/{project}", json.dumps(page).encode(), None)
    nginx.start(site.servers, "index", root.parent, port, log=False).wait_for(f"{url}/simple/{CHANGED}/")
    return f"{url}/simple/"


def _push_base(site: Site, name: str) -> None:
    """Bring the base into the registry, from where both engines take it."""
    site.say("bringing the base to the peers")
    archive = to_docker_archive(site.base, site.folder("base") / "base.tar")
    said = _run(["docker", "load", "--quiet", "--input", str(archive)])
    _run(["docker", "tag", said.strip().rpartition(" ")[2], name])
    _run(["docker", "push", name])


def _measure(site: Site, peer: Peer, base: str, index: str) -> Took:
    name = f"{site.registry.name}/bench/{peer.name.partition(' ')[0]}:1"
    if not shutil.which(peer.name.partition(" ")[0]):
        raise MeasureError("not installed")
    _run(peer.forget(name), check=False)
    try:
        site.say(f"{peer.name}: {len(site.shelf.lock.artifacts)} packages, with no cache")
        folder = _lay(site, site.shelf.lock, base, index)
        cold = timed(lambda: _run(peer.build(folder, name)))
        _run(peer.push(name))
        site.say(f"{peer.name}: one package changed")
        folder = _lay(site, site.shelf.changed, base, index)
        changed = timed(lambda: _again(peer, folder, name))
        return Took(cold, changed, timed(lambda: _again(peer, folder, name)))
    finally:
        _run(peer.forget(name), check=False)


def _again(peer: Peer, folder: Path, name: str) -> None:
    _run(peer.build(folder, name))
    _run(peer.push(name))


def _lay(site: Site, lock: Lock, base: str, index: str) -> Path:
    folder = site.folder("context")
    pip = site.shelf.pip
    shutil.copy(pip, folder)
    (folder / "requirements.lock").write_text(to_requirements(lock))
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(base=base, pip=pip.name, index=index))
    return folder


def _run(command: list[str], *, check: bool = True) -> str:
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", "BUILDAH_FORMAT": "oci"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE, env=environment)
    if check and done.returncode:
        raise MeasureError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
