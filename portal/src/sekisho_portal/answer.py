"""The answer to ``why``, as values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sekisho.model import Artifact
from sekisho_portal.demand import Refused

_PYTHON = "3.11.2"


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked about: a project, perhaps one release of it, in a workspace, perhaps on one Python."""

    project: str
    release: str | None
    workspace: str
    python: str | None = None

    @property
    def name(self) -> str:
        """Return the requirement."""
        return f"{self.project}=={self.release}" if self.release else self.project


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
        return f"sekisho request {self.question.name} --python {self.question.python or _PYTHON}"
