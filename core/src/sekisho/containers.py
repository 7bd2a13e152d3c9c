"""The container engine, through the docker SDK: every container without network or privileges unless a task says so.

The SDK is imported at first use, so a machine without it can still do everything else. All that is made here carries
the label ``sekisho=<owner>``; ``sweep`` removes what a killed process left.
"""

import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sekisho.errors import (
    BadInputError,
    ConflictError,
    MissingToolError,
    NotFoundError,
    SekishoError,
    StorageFullError,
    UpstreamError,
)
from sekisho.ports import NAME_SERVER, ContainerResult, ContainerTask

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABEL = "sekisho"
_OUTPUT = 1 << 20
_API_TIMEOUT = 600
_LAST_LINES = 8
_LOG_FILES = {"max-size": "3m", "max-file": "2"}
_TUN = "/dev/net/tun"
_WATCHED = {
    "user": "0:0",
    "cap_add": ["NET_ADMIN", "SETUID", "SETGID"],
    "devices": [_TUN],
    "sysctls": {f"net.ipv6.conf.{which}.disable_ipv6": "0" for which in ("all", "default")},
    "dns": [NAME_SERVER],
    "dns_search": ["."],
    "hostname": "sekisho",
    "extra_hosts": {"sekisho": "127.0.0.1"},
    "cpu_shares": 512,
}
"""What a watched container has more: its own name needs no name server, and it leaves the processor to others."""


class Served:
    """A container that keeps running, for as long as its ``with`` block."""

    def __init__(self, container: "Container") -> None:
        self._container = container

    @property
    def id(self) -> str:
        """Return the engine's id of the container."""
        return str(self._container.id)

    @property
    def pid(self) -> int:
        """Return the process id, on this machine, of the container's first process; 0 once it has ended."""
        self._container.reload()
        return int(self._container.attrs["State"]["Pid"])

    def exec(self, command: tuple[str, ...]) -> ContainerResult:
        """Run a command beside the container's own process and wait for it."""
        with _explained(f"exec in container {self.id[:12]}"):
            status, output = self._container.exec_run(list(command), stream=False)
        return ContainerResult(status=int(status or 0), output=_text(output))

    def output(self) -> str:
        """Return what the container has printed so far, cut to the last megabyte."""
        return _tail(self._container)


class DockerContainers:
    """The ``Containers`` port over a Docker engine, 20.10 or later.

    ``host`` is the engine's address; without it the environment's, as for the ``docker`` command. ``owner`` says whose
    containers these are (``Settings.owner``).
    """

    def __init__(self, host: str | None = None, *, owner: str = "sekisho") -> None:
        self._host = host
        self._owner = owner
        self._connected: DockerClient | None = None

    def run(self, task: ContainerTask) -> ContainerResult:
        """Run to the end and remove the container, whatever happens.

        Raises ``MissingToolError`` without an engine, ``NotFoundError`` without the image, ``UpstreamError`` when
        time is up or the engine fails.
        """
        with self._created(task) as container, _explained(task.image):
            container.start()
            status = _wait(container, task)
            return ContainerResult(status=status, output=_tail(container))

    @contextmanager
    def serve(self, task: ContainerTask) -> Iterator[Served]:
        """Start a container, yield it, and remove it at the end of the block. The task's ``timeout`` is unused."""
        with self._created(task) as container:
            with _explained(task.image):
                container.start()
            yield Served(container)

    def pull(self, reference: str) -> str:
        """Pull ``host/name@sha256:…`` and return the engine's image id; a tag is refused."""
        if "@sha256:" not in reference:
            raise BadInputError(
                f"{reference!r} names an image by tag", todo="name it by digest, as in host/name@sha256:…"
            )
        with _explained(reference):
            return str(self._client.images.pull(reference).id)

    def load(self, archive: Path) -> str:
        """Load a docker-archive tar that holds one image, and return the engine's image id."""
        with _explained(str(archive)), archive.open("rb") as file:
            images = self._client.images.load(file)
        if len(images) != 1:
            raise BadInputError(f"the archive holds {len(images)} images, not one", where=str(archive))
        return str(images[0].id)

    def build(self, context: Path, arguments: Mapping[str, str], *, network: str, memory: int, timeout: int) -> str:
        """Build the Dockerfile in a packed ``context``, nothing pulled or kept from before; return the image's id.

        Raises ``BadInputError`` with the build's last words if it fails, ``UpstreamError`` when time is up: between
        two lines of the engine, or when it says nothing for as long as it may.
        """
        end, said, image = time.monotonic() + timeout, list[str](), ""
        with _explained("the Dockerfile"), context.open("rb") as file:
            lines = self._client.api.build(
                fileobj=file,
                custom_context=True,
                buildargs=dict(arguments),
                network_mode=network,
                container_limits={"memory": memory, "memswap": memory},
                labels={LABEL: self._owner},
                nocache=True,
                pull=False,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for line in lines:
                said = [*said, *str(line.get("stream", "")).splitlines()][-_LAST_LINES:]
                image = line.get("aux", {}).get("ID", image)
                if "error" in line:
                    last = " | ".join(text for text in said if text.strip())
                    raise BadInputError(
                        f"the build failed: {line['error']}; its last words: {last}", where="Dockerfile"
                    )
                if time.monotonic() > end:
                    raise UpstreamError(f"the build took more than {timeout} seconds", where="Dockerfile")
        return str(image)

    def save(self, image: str, archive: Path, *, largest: int) -> None:
        """Write an image as a docker-archive tar; raise ``BadInputError`` beyond ``largest`` bytes."""
        with _explained(image), archive.open("wb") as file:
            for piece in self._client.images.get(image).save(chunk_size=1 << 20):
                file.write(piece)
                if file.tell() > largest:
                    raise BadInputError(f"the image has more than {largest} bytes", where=image)

    def remove(self, image: str) -> None:
        """Forget an image that was loaded, unless somebody pulled it too or still runs it."""
        with suppress(NotFoundError, ConflictError), _explained(image):
            found = self._client.images.get(image)
            if not found.attrs.get("RepoTags") and not found.attrs.get("RepoDigests"):
                self._client.images.remove(str(found.id))

    def forget(self, mine: Callable[[str], bool]) -> int:
        """Remove the pulled images all of whose references are ``mine``; return how many."""
        with _explained("the Docker engine"):
            images = [image for image in self._client.images.list() if (names := image.attrs.get("RepoDigests"))
                      and all(map(mine, names)) and not image.attrs.get("RepoTags")]  # fmt: skip
            for image in images:
                self._client.images.remove(str(image.id), force=True)
        return len(images)

    def sweep(self) -> int:
        """Remove containers that an interrupted run of this owner left; return how many.

        It cannot tell a leftover from a container in use: call it before the owner's first run.
        """
        mine: dict[str, Any] = {"label": f"{LABEL}={self._owner}"}
        with _explained("the Docker engine"):
            containers = self._client.containers.list(all=True, filters=mine)
            for container in containers:
                container.remove(force=True, v=True)
        return len(containers)

    @property
    def _client(self) -> "DockerClient":
        if self._connected is None:
            self._connected = _connect(self._host)
            weakref.finalize(self, self._connected.close)
        return self._connected

    @contextmanager
    def _created(self, task: ContainerTask) -> Iterator["Container"]:
        name = f"sekisho-{uuid.uuid4().hex}"
        try:
            with _explained(task.image):
                container = self._client.containers.create(task.image, name=name, **_arguments(task, self._owner))
            yield container
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        """Remove by name: the engine may have made the container although its answer never arrived."""
        from docker.errors import DockerException, NotFound  # noqa: PLC0415 (lazy, see the module)

        if self._connected is None:
            return
        with suppress(NotFound, DockerException, OSError):
            self._connected.containers.get(name).remove(force=True, v=True)


def _connect(host: str | None) -> "DockerClient":
    try:
        import docker  # noqa: PLC0415 (lazy, see the module)
    except ImportError as error:
        raise MissingToolError(
            "the docker SDK for Python is not installed", todo="install sekisho[containers]"
        ) from error
    client = None
    try:
        client = docker.DockerClient(host, timeout=_API_TIMEOUT) if host else docker.from_env(timeout=_API_TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        if client is not None:
            client.close()
        raise MissingToolError(
            f"no Docker engine answers: {error}",
            where=host or "DOCKER_HOST, or the default socket",
            todo="start the Docker service, and see that this user may use its socket",
        ) from error
    return client


def _arguments(task: ContainerTask, owner: str) -> dict[str, Any]:
    from docker.types import LogConfig, Mount, Ulimit  # noqa: PLC0415 (lazy, see the module)

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


def _wait(container: "Container", task: ContainerTask) -> int:
    from requests.exceptions import ConnectionError as Disconnected  # noqa: PLC0415 (comes with the SDK)
    from requests.exceptions import Timeout  # noqa: PLC0415

    try:
        return int(container.wait(timeout=task.timeout)["StatusCode"])
    except (Timeout, Disconnected) as error:
        container.reload()
        if container.status == "exited":
            return int(container.attrs["State"]["ExitCode"])
        container.kill()
        last = _tail(container).strip().splitlines()[-3:]
        raise UpstreamError(
            f"the container did not end within {task.timeout} seconds and was killed; "
            f"its last words: {' | '.join(last) or 'none'}",
            where=task.image,
            todo="look at the command, or give it more time",
        ) from error


def _tail(container: "Container") -> str:
    kept = bytearray()
    for chunk in container.logs(stdout=True, stderr=True, stream=True, follow=False):
        kept += chunk
        if len(kept) > 2 * _OUTPUT:
            del kept[:-_OUTPUT]
    return _text(bytes(kept))


def _text(output: bytes | Iterator[bytes]) -> str:
    whole = output if isinstance(output, bytes) else b"".join(output)
    return whole[-_OUTPUT:].decode(errors="replace")


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn the SDK's exceptions into ours."""
    try:
        yield
    except SekishoError:
        raise
    except Exception as error:
        ours = _translate(error, where)
        if ours is None:
            raise
        raise ours from error


def _translate(error: Exception, where: str) -> SekishoError | None:
    try:
        from docker.errors import APIError, DockerException, NotFound  # noqa: PLC0415 (lazy, see the module)
        from requests.exceptions import RequestException  # noqa: PLC0415 (comes with the SDK)
    except ImportError:
        return None
    if isinstance(error, NotFound):
        return NotFoundError(f"the engine does not have it: {error.explanation}", where=where, todo="load or pull it")
    if isinstance(error, APIError) and error.status_code == 409:
        return ConflictError(f"the engine says: {error.explanation}", where=where)
    return _failure(str(error), where) if isinstance(error, DockerException | RequestException) else None


def _failure(said: str, where: str) -> SekishoError:
    if _TUN in said:
        return MissingToolError(
            f"the engine's machine has no {_TUN}, by which a gate sees what a container would send",
            where=where,
            todo="load the kernel's module tun there (`modprobe tun`)",
        )
    if "no space left on device" in said:
        return StorageFullError("the engine's disk is full", where=where, todo="prune images and try again")
    return UpstreamError(f"the Docker engine failed: {said}", where=where, todo="see the engine's log")
