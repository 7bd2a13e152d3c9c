"""A task as the engine is told it, its end, and what it printed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sekisho.containers.engine import TUN
from sekisho.errors import UpstreamError
from sekisho.ports import NAME_SERVER, ContainerTask

if TYPE_CHECKING:
    from docker.models.containers import Container

LABEL = "sekisho"
_OUTPUT = 1 << 20
_LOG_FILES = {"max-size": "3m", "max-file": "2"}
_WATCHED = {
    "user": "0:0",
    "cap_add": ["NET_ADMIN", "SETUID", "SETGID"],
    "devices": [TUN],
    "sysctls": {f"net.ipv6.conf.{which}.disable_ipv6": "0" for which in ("all", "default")},
    "dns": [NAME_SERVER],
    "dns_search": ["."],
    "hostname": "sekisho",
    "extra_hosts": {"sekisho": "127.0.0.1"},
    "cpu_shares": 512,
}
"""What a watched container has more: its own name needs no name server, and it leaves the processor to others."""


def arguments(task: ContainerTask, owner: str) -> dict[str, Any]:
    """Return what the SDK is asked for, beside the image and a name."""
    from docker.types import LogConfig, Mount, Ulimit  # noqa: PLC0415 (lazy, see sekisho.containers)

    mounts = [
        Mount(mount.inside, str(Path(mount.outside).absolute()), type="bind", read_only=not mount.writable)
        for mount in task.mounts
    ]
    return {
        "command": list(task.command),
        "entrypoint": None if task.entrypoint is None else list(task.entrypoint),
        "environment": dict(task.environment),
        "mounts": mounts,
        "user": task.user,
        "working_dir": task.workdir,
        "network_mode": task.network or "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": task.processes,
        "mem_limit": task.memory,
        "memswap_limit": task.memory,
        "read_only": task.read_only,
        "tmpfs": {
            **dict.fromkeys(task.scratch, "rw,nosuid,nodev,mode=1777"),
            **dict.fromkeys(task.executable, f"rw,exec,nosuid,nodev,mode=1777,size={task.memory}"),
        },
        "ulimits": [Ulimit(name="fsize", soft=most, hard=most)] if (most := task.largest_file) else None,
        "log_config": LogConfig(type="json-file", config=_LOG_FILES),
        "labels": {LABEL: owner},
        **(_WATCHED if task.watched else {}),
    }


def wait(container: "Container", task: ContainerTask) -> int:
    """Return the status a container ends with; kill it and raise ``UpstreamError`` when time is up."""
    from requests.exceptions import ConnectionError as Disconnected  # noqa: PLC0415 (comes with the SDK)
    from requests.exceptions import Timeout  # noqa: PLC0415

    try:
        return int(container.wait(timeout=task.timeout)["StatusCode"])
    except (Timeout, Disconnected) as error:
        container.reload()
        if container.status == "exited":
            return int(container.attrs["State"]["ExitCode"])
        container.kill()
        last = tail(container).strip().splitlines()[-3:]
        raise UpstreamError(
            f"the container did not end within {task.timeout} seconds and was killed; "
            f"its last words: {' | '.join(last) or 'none'}",
            where=task.image,
            todo="look at the command, or give it more time",
        ) from error


def tail(container: "Container") -> str:
    """Return what a container has printed, cut to the last megabyte."""
    kept = bytearray()
    for chunk in container.logs(stdout=True, stderr=True, stream=True, follow=False):
        kept += chunk
        if len(kept) > 2 * _OUTPUT:
            del kept[:-_OUTPUT]
    return as_text(bytes(kept))


def as_text(output: bytes | Iterator[bytes]) -> str:
    """Return output as text, cut to the last megabyte."""
    whole = output if isinstance(output, bytes) else b"".join(output)
    return whole[-_OUTPUT:].decode(errors="replace")
