"""What a gate looks at, and how it asks the inside of a container."""

import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, NamedTuple

from sekisho.errors import SekishoError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition
from sekisho.ports import Containers, ContainerTask, Mount

MARK = "sekisho-answer:"


class Subject(NamedTuple):
    """An image on an engine, with what it was made from."""

    definition: ImageDefinition
    lock: Lock
    image: str
    containers: Containers

    @property
    def site(self) -> str:
        """Return the image's site-packages folder."""
        minor = ".".join(map(str, self.definition.target.python_minor))
        return f"{self.definition.prefix.rstrip('/')}/lib/python{minor}/site-packages"

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


Gate = Callable[[Subject], Answer]
"""Looks at one image. An exception of ours counts as a failure, with its sentence as evidence."""


def probe(subject: Subject, name: str, *arguments: str, isolated: bool = True, timeout: int = 300) -> Any:  # noqa: ANN401 (JSON)
    """Run ``probes/<name>.py`` in the image and return its answer; raise ``SekishoError`` if it gives none.

    ``isolated`` starts Python without site-packages, so that nothing that is installed takes part.
    """
    source = resources.files("sekisho_builder.gates.probes").joinpath(f"{name}.py").read_text()
    flags = ("-I", "-S") if isolated else ()
    task = subject.task(subject.python, *flags, "-c", source, *arguments, timeout=timeout)
    result = subject.containers.run(task)
    lines = result.output.splitlines()
    answers = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    if result.status or not answers:
        last = " | ".join(line for line in lines[-3:] if line.strip())[:500]
        raise SekishoError(f"the probe {name} ended with status {result.status}: {last or 'it printed nothing'}")
    try:
        return json.loads(answers[-1])
    except ValueError as error:
        raise SekishoError(f"the probe {name} did not answer in JSON") from error
