"""The answer to ``why``, as values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sekisho.model import Artifact, Kind, node_of
from sekisho_portal.demand import Refused

_PYTHON = "3.11.2"


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked about: a project, perhaps one release of it, in a workspace, perhaps on one Python.

    Of a channel's project ``source`` may say which channel is meant.
    """

    project: str
    release: str | None
    workspace: str
    python: str | None = None
    kind: Kind = "pypi"
    source: str | None = None

    @property
    def name(self) -> str:
        """Return the requirement, of a channel as ``conda:NAME==VERSION``."""
        return self.at(self.release)

    def at(self, release: str | None) -> str:
        """Return how a release of the project is asked about."""
        node = node_of(self.kind, self.project)
        return f"{node}=={release}" if release else node


@dataclass(frozen=True, slots=True)
class Cause:
    """The rule that decides, its evidence in a sentence, and since when, if that is known."""

    rule: str
    evidence: str
    since: datetime | None = None
    commit: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """All that is known; ``wording`` makes the lines of it."""

    question: Question
    cause: Cause
    link: str
    files: tuple[Artifact, ...] = ()
    approvals: tuple[dict[str, Any], ...] = ()
    requests: tuple[dict[str, Any], ...] = ()
    more_requests: int = 0
    alternative: str | None = None
    demand: Refused | None = None
    refused_entries: tuple[str, ...] = ()
    first_source: str | None = None
    """The source that is asked first; a file from another one is worth a word."""

    @property
    def available(self) -> bool:
        """Tell whether anything is to be had."""
        return bool(self.files)

    @property
    def command(self) -> str:
        """Return the command that asks for it."""
        asked, python = self.question, self.question.python or _PYTHON
        if asked.kind != "conda":
            return f"sekisho request {asked.name} --python {python}"
        channel = f" --channel {asked.source}" if asked.source else ""
        return f"sekisho request --conda {asked.name.removeprefix('conda:')}{channel} --python {python}"
