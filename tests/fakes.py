"""One fake for each port of ``sekisho.ports``, implementing it, and one for the disk."""

import errno
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sekisho.disk import Disk
from sekisho.errors import BadInputError, ConflictError
from sekisho.policy import Policy, Snapshot
from sekisho.policy.snapshot import Denial, Lapse
from sekisho.policy.weaknesses import Weakness
from sekisho.ports import ContainerResult, Containers, ContainerTask, Tree
from sekisho.revocations import SignedRevocation
from tests.records import NOW


class FakeClock:
    """``Clock``: moves only when told, and by ``tick`` each time that somebody looks."""

    def __init__(self, now: datetime = NOW, *, tick: timedelta = timedelta(0)) -> None:
        self.now = now
        self.tick = tick

    def __call__(self) -> datetime:
        self.now += self.tick
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class FakeRejudges:
    """``Rejudges``: nothing was revoked, nothing is known, unless a test says so."""

    def __init__(self) -> None:
        self.known = ""
        self.against: tuple[Denial, ...] = ()
        self.weak: tuple[Weakness, ...] | None = None
        self.revoked: tuple[SignedRevocation, ...] = ()
        self.malicious = ""

    def stamp(self) -> str:
        return self.known

    def revocations(self) -> tuple[SignedRevocation, ...]:
        return self.revoked

    def lapses(self, snapshot: Snapshot) -> tuple[Lapse, ...]:
        return ()

    def reports(self, policy: Policy) -> str:
        return self.malicious if policy.relaxed() else ""

    def denied(self, snapshot: Snapshot) -> tuple[Denial, ...]:
        held = {one.sha256 for signed in snapshot.approvals for one in signed.approval.artifacts}
        return tuple(one for one in self.against if one.sha256 in held)

    def weaknesses(self, snapshot: Snapshot) -> tuple[Weakness, ...] | None:
        return self.weak


def _succeed(task: ContainerTask) -> ContainerResult:
    return ContainerResult(status=0, output="")


class FakeContainers(Containers):
    """An engine that remembers its tasks and answers as ``behave`` says."""

    def __init__(self, behave: Callable[[ContainerTask], ContainerResult] = _succeed) -> None:
        self.behave = behave
        self.tasks: list[ContainerTask] = []
        self.loaded: list[bytes] = []

    def run(self, task: ContainerTask) -> ContainerResult:
        self.tasks.append(task)
        return self.behave(task)

    def pull(self, reference: str) -> str:
        if "@sha256:" not in reference:
            raise BadInputError(f"{reference!r} names an image by tag")
        return reference.partition("@")[2]

    def load(self, archive: Path) -> str:
        self.loaded.append(archive.read_bytes())
        return f"sha256:{hashlib.sha256(self.loaded[-1]).hexdigest()}"


class FakeTree(Tree):
    """A tree in memory. ``write`` is a person's commit; revisions are counted."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.commits: list[tuple[str, dict[str, str]]] = [("first", dict(files))]

    def write(self, changes: Mapping[str, str], message: str = "by hand") -> str:
        self.commits.append((message, {**self.commits[-1][1], **changes}))
        return self.revision()

    def revision(self) -> str:
        return f"{len(self.commits):040d}"

    def read(self) -> tuple[str, Mapping[str, str]]:
        return self.revision(), dict(self.commits[-1][1])

    def commit(self, changes: Mapping[str, str], *, base: str, message: str, trailers: Sequence[str]) -> str:
        if base != self.revision():
            raise ConflictError("the allowlists tree was committed to at the same time")
        return self.write(changes, "\n".join((message, *trailers)))


class FakeDisk(Disk):
    """A disk that takes no byte while it is ``full``."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__()
        self.full = full

    def write(self, handle: int, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(handle, data)
