"""What a gate looks at, and how it asks the inside of a container."""

import secrets
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic import ValidationError

from sekisho.errors import SekishoError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition, Record
from sekisho.ports import ContainerResult, Containers, ContainerTask, Mount
from sekisho_builder.assemble.conda_meta import META
from sekisho_builder.assemble.environment import Environment

if TYPE_CHECKING:
    from sekisho_builder.gates.made import Made

Found = TypeVar("Found", bound=Record)
MARK = "sekisho-answer:"
WORD = "SEKISHO_WORD"
"""The variable that gives a probe the word to answer with; those that it starts do not get it."""


class Attempt(NamedTuple):
    """Something that would have left a container: of which process, where to, how often.

    ``name`` is what a name server was asked for. ``process`` is empty if the process was gone.
    """

    process: str
    protocol: str
    host: str
    port: int
    name: str
    times: int

    @property
    def destination(self) -> str:
        """Return what ``may-reach`` calls it."""
        return self.name or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


class Watched(Record):
    """How a watched run ended: what ``probes/watch.py`` answers.

    ``limits`` counts how often the container's own limits were hit, ``left`` the processes that outlived the command,
    ``packets`` all that would have left it.
    """

    status: int
    in_time: bool
    seconds: float
    output: str
    bytes: int
    left: int
    limits: dict[str, int]
    attempts: tuple[Attempt, ...]
    packets: int


class Subject(NamedTuple):
    """An image on an engine, with what it was made from; ``made`` has its files, for gates that start no container."""

    definition: ImageDefinition
    lock: Lock
    image: str
    containers: Containers
    verify: Path | None
    watches: dict[str, Watched | None]
    """What each watched run tried to reach, by its name; nothing for one that did not end as it should."""
    made: "Made | None" = None

    @property
    def build(self) -> "Made":
        """Return how it was made; raise ``SekishoError`` where nobody said."""
        if self.made is None:
            raise SekishoError("nothing is known of how the image was made")
        return self.made

    @property
    def site(self) -> str:
        """Return the image's site-packages folder."""
        return f"/{Environment.of(self.definition, self.lock).site}"

    @property
    def records(self) -> str:
        """Return the folder where a conda environment records its packages; nothing for a virtual environment."""
        return f"{self.definition.prefix.rstrip('/')}/{META}" if self.definition.conda else ""

    @property
    def python(self) -> str:
        """Return the image's interpreter."""
        return f"{self.definition.prefix.rstrip('/')}/bin/python"

    def task(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        timeout: int = 300,
    ) -> ContainerTask:
        """Return a run of ``command`` in the image: no network, the image's own user and environment.

        The command takes the place of the image's entry point, whatever that is.
        """
        return ContainerTask(
            image=self.image,
            entrypoint=command[:1],
            command=command[1:],
            environment=environment or {},
            mounts=mounts,
            timeout=timeout,
        )


class Answer(NamedTuple):
    """A gate's verdict and what it saw, in short lines."""

    passed: bool
    evidence: tuple[str, ...]


class Installed(Record):
    """What ``probes/installed.py`` answers: (name, version, installer) of each distribution, and the platform.

    Of a conda environment ``conda`` has (name, version, build) of each package, and ``brought`` says which of them
    brought which distribution; these are not among ``installed``.
    """

    installed: tuple[tuple[str, str, str], ...]
    conda: tuple[tuple[str, str, str], ...] = ()
    brought: Mapping[str, str] = {}
    python: str
    libc: str
    shell: bool


Gate = Callable[[Subject], Answer]
"""Looks at one image. An exception of ours counts as a failure, with its sentence as evidence."""


def probe(subject: Subject, name: str, shape: type[Found], *arguments: str, timeout: int = 300) -> Found:
    """Run ``probes/<name>.py`` in the image and return its one answer, in ``shape``.

    Python is started without site-packages, so that nothing that is installed takes part, and an answer counts only
    with the word that this run was given: code of the image cannot answer for the probe. Raises ``SekishoError`` if
    there is no such answer, more than one, or another shape.
    """
    word = secrets.token_hex(16)
    command = (*isolated(subject), source(name), *arguments)
    result = subject.containers.run(subject.task(*command, environment={WORD: word}, timeout=timeout))
    return heard(name, word, result, shape)


def printable(text: str) -> str:
    """Return what the image said without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def source(name: str) -> str:
    """Return the source of ``probes/<name>.py``."""
    return resources.files("sekisho_builder.gates.probes").joinpath(f"{name}.py").read_text()


def heard(name: str, word: str, result: ContainerResult, shape: type[Found]) -> Found:
    """Return the one answer with the word of a probe; raise ``SekishoError`` if there is none that can be believed."""
    lines = result.output.splitlines()
    answers = [line.removeprefix(MARK + word) for line in lines if line.startswith(MARK + word)]
    if result.status or not answers:
        last = " | ".join(line for line in lines[-3:] if line.strip())[:500]
        raise SekishoError(f"the probe {name} ended with status {result.status}: {last or 'it printed nothing'}")
    if len(answers) > 1:
        raise SekishoError(f"the probe {name} answered {len(answers)} times")
    try:
        return shape.model_validate_json(answers[0], strict=True)
    except ValidationError as error:
        raise SekishoError(f"the probe {name} answered something else: {answers[0][:200]}") from error


def isolated(subject: Subject) -> tuple[str, ...]:
    """Return a command that runs a program's source with the standard library alone."""
    return (subject.python, "-I", "-S", "-c")
