"""The closed zone: a container network with no route out, a replica as its only peer, and clients in containers."""

import json
from pathlib import Path
from typing import Any

import docker
import pip as installed_pip
import uv
from place import Place, sekisho

from sekisho.containers import DockerContainers
from sekisho.ports import ContainerResult, ContainerTask, Mount

PORT = 8471
_PEERS = """
import json, pathlib, socket, sys
rows = [row.split() for row in pathlib.Path("/proc/net/route").read_text().splitlines()[1:]]
def reaches(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return f"no: {error}"
    return "yes"
print(json.dumps({
    "default_routes": [row for row in rows if row[1] == "00000000"],
    "replica": reaches(sys.argv[1], sys.argv[2]),
    "open_proxy": reaches(sys.argv[3], sys.argv[4]),
}))
"""


def replica_command(pid: int) -> list[str]:
    """Return the command of a replica inside the network of process ``pid``: it has no other."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", sekisho(), "proxy", "serve"]


def replica_environment(place: Place, address: str) -> dict[str, str]:
    """Return the replica's settings: no upstream, the closed zone's own data, the people's door it names."""
    return place.environment(
        "closed",
        SEKISHO_REPLICA="true",
        SEKISHO_PROXY_HOST=address,
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

    def __init__(self, containers: DockerContainers, image: str, network: str, address: str) -> None:
        self._containers = containers
        self._image = image
        self._network = network
        self._address = address
        self._index = f"http://{address}:{PORT}/w/everyone/pypi/simple/"

    def peers(self, gateway: str, open_proxy: int) -> dict[str, Any]:
        """Return what a container of the zone can reach."""
        arguments = (self._address, str(PORT), gateway, str(open_proxy))
        done = self._run(("python", "-c", _PEERS, *arguments))
        return dict(json.loads(done.output))

    def pip(self, requirement: str) -> ContainerResult:
        """Run ``pip install`` of one requirement."""
        return self._run(
            ("python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--target", "/tmp/pip",
             "--index-url", self._index, "--trusted-host", self._address, requirement)
        )  # fmt: skip

    def uv(self, requirement: str) -> ContainerResult:
        """Run ``uv pip install`` of one requirement."""
        return self._run(
            ("/tools/uv", "pip", "install", "--no-cache", "--target", "/tmp/uv", "--python", "/opt/venv/bin/python",
             "--default-index", self._index, requirement)
        )  # fmt: skip

    def _run(self, command: tuple[str, ...]) -> ContainerResult:
        tools = (
            Mount(outside=str(Path(installed_pip.__file__).parent), inside="/tools/pip"),
            Mount(outside=uv.find_uv_bin(), inside="/tools/uv"),
        )
        environment = {"PYTHONPATH": "/tools", "PIP_CONFIG_FILE": "/dev/null", "HOME": "/tmp"}
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


def gateway_of(network: str) -> str:
    """Return the host's own address in a container network."""
    return str(docker.from_env().networks.get(network).attrs["IPAM"]["Config"][0]["Gateway"])


def keeper_task(image: str, network: str) -> ContainerTask:
    """Return the container that holds the zone's network open for the replica."""
    return ContainerTask(image=image, command=("sleep", "3600"), network=network)
