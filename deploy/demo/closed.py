"""The closed zone: a network namespace without any interface but loopback, in which a replica is the only peer.

A container without network holds the namespace open; the replica's process and the clients' containers join it.
"""

import json
from pathlib import Path
from typing import Any

import pip as installed_pip
import uv
from place import IMAGE, Place, sekisho

from sekisho.containers import DockerContainers
from sekisho.ports import ContainerResult, ContainerTask, Mount

HOST, PORT = "127.0.0.1", 8480
_SCRATCH = "/tmp"  # noqa: S108 (inside the container)
_PEERS = """
import json, pathlib, socket, sys
rows = [row.split() for row in pathlib.Path("/proc/net/route").read_text().splitlines()[1:]]
def reaches(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return f"no: {error}"
    return "yes"
host, replica, proxy, portal = sys.argv[1:]
print(json.dumps({
    "routes": rows,
    "interfaces": [name for _, name in socket.if_nameindex()],
    "replica": reaches(host, replica),
    "open_proxy": reaches(host, proxy),
    "portal": reaches(host, portal),
}))
"""


def replica_command(pid: int) -> list[str]:
    """Return the command of a replica inside the network of process ``pid``: it has no other."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", sekisho(), "proxy", "serve"]


def replica_environment(place: Place) -> dict[str, str]:
    """Return the replica's settings: no upstream, the closed zone's own data, the people's door it names."""
    return place.environment(
        "closed",
        SEKISHO_REPLICA="true",
        SEKISHO_PROXY_HOST=HOST,
        SEKISHO_PROXY_PORT=str(PORT),
        SEKISHO_PORTAL_URL=f"http://127.0.0.1:{place.portal}",
    )


def hand_over_trust(place: Place) -> None:
    """Copy the public keys by hand, once, as an operator would: out of band, not in the bundle."""
    target = place.home / "closed"
    target.mkdir(parents=True, exist_ok=True)
    (target / "trust.json").write_text((place.home / "open" / "trust.json").read_text())


class Clients:
    """pip and uv in containers of the closed zone, configured with one index and nothing else."""

    def __init__(self, containers: DockerContainers, image: str, keeper: str) -> None:
        self._containers = containers
        self._image = image
        self._network = f"container:{keeper}"
        self._index = f"http://{HOST}:{PORT}/w/everyone/pypi/simple/"

    def peers(self, place: Place) -> dict[str, Any]:
        """Return what a container of the zone has and can reach."""
        arguments = (HOST, str(PORT), str(place.proxy), str(place.portal))
        done = self._run(("python", "-c", _PEERS, *arguments))
        return dict(json.loads(done.output))

    def pip(self, requirement: str) -> ContainerResult:
        """Run ``pip install`` of one requirement."""
        return self._run(
            ("python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check",
             "--target", f"{_SCRATCH}/pip",
             "--index-url", self._index, requirement)
        )  # fmt: skip

    def uv(self, requirement: str) -> ContainerResult:
        """Run ``uv pip install`` of one requirement."""
        return self._run(
            ("/tools/uv", "pip", "install", "--no-cache", "--target", f"{_SCRATCH}/uv",
             "--python", "/opt/venv/bin/python", "--default-index", self._index, requirement)
        )  # fmt: skip

    def _run(self, command: tuple[str, ...]) -> ContainerResult:
        tools = (
            Mount(outside=str(Path(installed_pip.__file__).parent), inside="/tools/pip"),
            Mount(outside=uv.find_uv_bin(), inside="/tools/uv"),
        )
        environment = {"PYTHONPATH": "/tools", "PIP_CONFIG_FILE": "/dev/null", "HOME": _SCRATCH}
        return self._containers.run(
            ContainerTask(
                image=self._image,
                command=command,
                environment=environment,
                mounts=tools,
                network=self._network,
                timeout=120,
            )
        )


def keeper_task(image: str) -> ContainerTask:
    """Return the container that holds the zone's network open for the replica and the clients."""
    return ContainerTask(image=image, command=("sleep", "3600"))


def forget_images() -> None:
    """Remove the demo's images from the container engine: those that came from a registry on loopback."""
    DockerContainers().forget(lambda name: name.startswith("127.0.0.1:") and f"/curated/{IMAGE}@" in name)
