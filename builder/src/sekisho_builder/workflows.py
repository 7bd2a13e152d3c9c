"""``propose`` and ``deliver`` as durable workflows: killed at any point, they go on at the step that was cut short."""

import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID, StepOptions

from sekisho.client import PortalSilentError
from sekisho.errors import SekishoError, StorageFullError
from sekisho_builder.proxy import ProxySilentError

if TYPE_CHECKING:
    from sekisho_builder.stages import Stages  # which import a container engine; the workflows only order them

VERSION = "2"
"""Raised when the order of steps changes: a workflow is only resumed by the version that began it."""

_PAUSE = 1.0
"""Seconds between two tries of a step while the portal or the proxy is silent."""

_PROXY_SILENT = 60.0
_ANEW = 20.0
"""Seconds without a complaint about the proxy after which it counts as having answered in between."""

_LOG = logging.getLogger("sekisho.builder")


@DBOS.dbos_class()
class Line(DBOSConfiguredInstance):
    """The workflows over one set of stages."""

    def __init__(
        self, stages: "Stages", report: Callable[[str, str, dict[str, Any]], object], ending: threading.Event
    ) -> None:
        super().__init__("line")
        self._stages = stages
        self._report = report
        self.ending = ending

    @DBOS.workflow()
    def propose(self, request_id: str) -> None:
        """Resolve and inspect; the portal judges. Then look for something that it would allow, if it did not."""
        self._run(request_id, "resolve", self._stages.resolve)
        self._run(request_id, "inspect", self._stages.inspect)
        self._run(request_id, "suggest", self._stages.suggest)

    @DBOS.workflow()
    def search(self, request_id: str) -> None:
        """Look once more for something that the policy would allow, after it was judged anew."""
        self._run(request_id, "suggest", self._stages.suggest)

    @DBOS.workflow()
    def build(self, request_id: str) -> None:
        """Build wheels of what is only there as source; the portal judges them, and approves or asks a person."""
        self._run(request_id, "build", self._stages.build)

    @DBOS.workflow()
    def deliver(self, request_id: str) -> None:
        """Lock, assemble, gate, push."""
        self._run(request_id, "lock", self._stages.lock)
        manifest = self._run(request_id, "assemble", self._stages.assemble)
        self._run(request_id, "gate", self._stages.gate, manifest)
        self._run(request_id, "push", self._stages.push)
        self._run(request_id, "clear", self._stages.clear)

    def _run(self, request_id: str, stage: str, step: Callable[..., Any], *more: str) -> Any:  # noqa: ANN401
        try:
            return DBOS.run_step(_patiently(stage), self._wholly, step, request_id, *more)
        except SekishoError as error:
            problem = error.diagnostics()
            _LOG.warning("request %s failed in %s: %s", request_id, stage, error.what)
        except Exception as error:
            if self.ending.is_set():
                raise _LeftOff from error  # the engine has stopped, the stage has not failed
            _LOG.exception("request %s failed in %s", request_id, stage)
            problem = _explained(error).diagnostics()
        told = {"stage": stage, "problem": problem}
        DBOS.run_step(_patiently("report"), self._wholly, self._report, request_id, "failed", told)
        raise _Ended(stage)

    def _wholly(self, step: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Run a step. What fails while the services end has not failed: it runs again at the next start."""
        if self.ending.is_set():
            raise _LeftOff
        try:
            return step(*arguments)
        except Exception as error:
            if self.ending.is_set():
                raise _LeftOff from error
            raise


def _patiently(step: str, clock: Callable[[], float] = time.monotonic) -> StepOptions:
    """Have a step run again while the portal is silent, however long: it hears of everything, late if need be.

    A proxy that is silent is being restarted, or is gone for good: it has a minute.
    """
    since = last = -math.inf

    def again(error: BaseException) -> bool:
        nonlocal since, last
        if isinstance(error, ProxySilentError):
            now = clock()
            since, last = (now if now - last > _ANEW else since), now
            return now - since < _PROXY_SILENT
        return isinstance(error, PortalSilentError)

    return {
        "name": step,
        "retries_allowed": True,
        "interval_seconds": _PAUSE,
        "backoff_rate": 1.0,
        "max_attempts": sys.maxsize,
        "should_retry": again,
    }


def _explained(error: Exception) -> SekishoError:
    """Put what nobody foresaw into a sentence; the engine's own database is the one that may be full."""
    if "disk is full" in str(error):
        return StorageFullError("the disk is full", where="the builder's workflows.sqlite", todo="free some space")
    return SekishoError(f"unexpected: {type(error).__name__}: {error}", todo="see the builder's log")


class _Ended(Exception):  # noqa: N818 (the workflow ended; the ledger says why)
    pass


class _LeftOff(BaseException):
    """No ``Exception``: those are recorded as the step's result."""


def open_line(
    stages: "Stages",
    report: Callable[[str, str, dict[str, Any]], object],
    folder: Path,
    ending: threading.Event | None = None,
) -> Line:
    """Start the engine on an SQLite file in ``folder``; unfinished workflows go on at once.

    ``ending`` is set when the services are told to end: the engine stops a moment later than what the steps use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config: DBOSConfig = {
        "name": "sekisho",
        "system_database_url": f"sqlite:///{folder.absolute() / 'workflows.sqlite'}",
        "application_version": VERSION,
        "executor_id": "builder",
        "log_level": "CRITICAL",
        "enable_otlp": False,
    }
    DBOS(config=config)
    line = Line(stages, report, ending or threading.Event())
    DBOS.launch()
    return line


def start(workflow: Callable[[str], None], workflow_id: str, request_id: str) -> None:
    """Begin a workflow once: the same id again changes nothing."""
    with SetWorkflowID(workflow_id):
        DBOS.start_workflow(workflow, request_id)


def close_line(line: Line) -> None:
    """Stop the engine; what is unfinished goes on at the next start."""
    line.ending.set()
    DBOS.destroy()
