"""What the rooms need from outside, each as small as its users allow. ``tests/fakes.py`` has one fake for each."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sekisho.lock import Answer, DoorAddress, ToLock
from sekisho.model import Record

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC time."""


NAME_SERVER = "192.0.2.53"
"""An address that belongs to nobody (RFC 5737)."""


class Mount(Record):
    """A folder or file of this machine, visible in a container. Read-only unless ``writable``."""

    outside: str
    inside: str
    writable: bool = False


class ContainerTask(Record):
    """One run of one image. Without ``network`` it has none at all; it never has credentials.

    ``image`` is whatever the engine knows it by: a reference by digest, or the id of a loaded image. ``timeout`` is
    in seconds, ``memory`` in bytes, ``processes`` a number. ``user`` defaults to the image's own. In a container that
    is ``read_only``, only ``scratch`` can be written: folders in memory, empty at first. ``executable`` are folders of
    memory as well, out of which programs run. No file that it writes has more than ``largest_file`` bytes.

    In one that is ``watched``, the first process is root, and may set up the container's own network and be another
    user, so that it can see what the rest of it would send; names are asked for at ``NAME_SERVER``, which is nowhere.
    """

    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    user: str | None = None
    workdir: str | None = None
    timeout: int = 300
    memory: int = 4 << 30
    processes: int = 1024
    read_only: bool = False
    scratch: tuple[str, ...] = ("/tmp",)  # noqa: S108 (inside the container)
    watched: bool = False
    executable: tuple[str, ...] = ()
    largest_file: int | None = None


class ContainerResult(Record):
    """How a run ended. ``output`` is standard output and error as they came, cut to the last megabyte."""

    status: int
    output: str


class Containers(Protocol):
    """A container engine."""

    def run(self, task: ContainerTask) -> ContainerResult:
        """Run to the end; raise ``MissingToolError`` without an engine, ``UpstreamError`` when time is up."""
        ...

    def pull(self, reference: str) -> str:
        """Pull by digest and return the engine's image id."""
        ...

    def load(self, archive: Path) -> str:
        """Load an image archive and return the engine's image id."""
        ...


class Tree(Protocol):
    """The allowlists tree under version control."""

    def revision(self) -> str:
        """Return the id of the newest commit."""
        ...

    def read(self) -> tuple[str, Mapping[str, str | None]]:
        """Return (revision, {relative path: text}) of the newest commit; no text where there is no plain file."""
        ...

    def commit(self, changes: Mapping[str, str], *, base: str, message: str, trailers: Sequence[str]) -> str:
        """Commit ``changes`` on top of ``base``, return the revision; ``ConflictError`` if ``base`` is not newest."""
        ...


class Engine(Protocol):
    """Resolves against a door; the builder has one for each tool, as entry points of group ``sekisho.engines``."""

    def __call__(self, asked: ToLock, door: DoorAddress, *, token: str | None, ca: Path | None) -> Answer:
        """Return what fits, from this door alone; raise ``UnresolvableError`` with the tool's reason if nothing does.

        ``token`` is the caller's own, ``ca`` a file of authorities to believe.
        """
        ...
