"""The container engine, through the docker SDK: every container without network or privileges unless a task says so.

All that is made here carries the label ``sekisho=<owner>``; ``sweep`` removes what a killed process left.
"""

import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sekisho.containers.engine import connect, explained
from sekisho.containers.task import LABEL, arguments, as_text, tail, wait
from sekisho.errors import BadInputError, ConflictError, NotFoundError, UpstreamError
from sekisho.ports import ContainerResult, ContainerTask

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_LAST_LINES = 8


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
        with explained(f"exec in container {self.id[:12]}"):
            status, output = self._container.exec_run(list(command), stream=False)
        return ContainerResult(status=int(status or 0), output=as_text(output))

    def output(self) -> str:
        """Return what the container has printed so far, cut to the last megabyte."""
        return tail(self._container)


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
        with self._created(task) as container, explained(task.image):
            container.start()
            status = wait(container, task)
            return ContainerResult(status=status, output=tail(container))

    @contextmanager
    def serve(self, task: ContainerTask) -> Iterator[Served]:
        """Start a container, yield it, and remove it at the end of the block. The task's ``timeout`` is unused."""
        with self._created(task) as container:
            with explained(task.image):
                container.start()
            yield Served(container)

    def pull(self, reference: str) -> str:
        """Pull ``host/name@sha256:…`` and return the engine's image id; a tag is refused."""
        if "@sha256:" not in reference:
            raise BadInputError(
                f"{reference!r} names an image by tag", todo="name it by digest, as in host/name@sha256:…"
            )
        with explained(reference):
            return str(self._client.images.pull(reference).id)

    def load(self, archive: Path) -> str:
        """Load a docker-archive tar that holds one image, and return the engine's image id."""
        with explained(str(archive)), archive.open("rb") as file:
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
        with explained("the Dockerfile"), context.open("rb") as file:
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
        with explained(image), archive.open("wb") as file:
            for piece in self._client.images.get(image).save(chunk_size=1 << 20):
                file.write(piece)
                if file.tell() > largest:
                    raise BadInputError(f"the image has more than {largest} bytes", where=image)

    def remove(self, image: str) -> None:
        """Forget an image that was loaded, unless somebody pulled it too or still runs it."""
        with suppress(NotFoundError, ConflictError), explained(image):
            found = self._client.images.get(image)
            if not found.attrs.get("RepoTags") and not found.attrs.get("RepoDigests"):
                self._client.images.remove(str(found.id))

    def forget(self, mine: Callable[[str], bool]) -> int:
        """Remove the pulled images all of whose references are ``mine``; return how many."""
        with explained("the Docker engine"):
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
        with explained("the Docker engine"):
            containers = self._client.containers.list(all=True, filters=mine)
            for container in containers:
                container.remove(force=True, v=True)
        return len(containers)

    @property
    def _client(self) -> "DockerClient":
        if self._connected is None:
            self._connected = connect(self._host)
            weakref.finalize(self, self._connected.close)
        return self._connected

    @contextmanager
    def _created(self, task: ContainerTask) -> Iterator["Container"]:
        name = f"sekisho-{uuid.uuid4().hex}"
        try:
            with explained(task.image):
                container = self._client.containers.create(task.image, name=name, **arguments(task, self._owner))
            yield container
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        """Remove by name: the engine may have made the container although its answer never arrived."""
        from docker.errors import DockerException, NotFound  # noqa: PLC0415 (lazy, see sekisho.containers)

        if self._connected is None:
            return
        with suppress(NotFound, DockerException, OSError):
            self._connected.containers.get(name).remove(force=True, v=True)
