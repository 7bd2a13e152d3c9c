"""``propose`` and ``deliver`` as durable workflows: killed at any point, they go on at the step that was cut short."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID

from sekisho.errors import SekishoError

if TYPE_CHECKING:
    from sekisho_builder.stages import Stages  # which import a container engine; the workflows only order them

VERSION = "1"
"""Raised when the order of steps changes: a workflow is only resumed by the version that began it."""

_LOG = logging.getLogger("sekisho.builder")


@DBOS.dbos_class()
class Line(DBOSConfiguredInstance):
    """The two workflows over one set of stages."""

    def __init__(self, stages: "Stages", report: Callable[[str, str, dict[str, Any]], object]) -> None:
        super().__init__("line")
        self._stages = stages
        self._report = report

    @DBOS.workflow()
    def propose(self, request_id: str) -> None:
        """Resolve and inspect; the portal judges."""
        self._run(request_id, "resolve", self._stages.resolve)
        self._run(request_id, "inspect", self._stages.inspect)

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
            return DBOS.run_step({"name": stage}, step, request_id, *more)
        except SekishoError as error:
            problem = error.diagnostics()
            _LOG.warning("request %s failed in %s: %s", request_id, stage, error.what)
        except Exception as error:  # noqa: BLE001 (whatever it is, the requester must hear of it)
            _LOG.exception("request %s failed in %s", request_id, stage)
            problem = SekishoError(
                f"unexpected: {type(error).__name__}: {error}", todo="see the builder's log, then retry"
            ).diagnostics()
        DBOS.run_step({"name": "report"}, self._report, request_id, "failed", {"stage": stage, "problem": problem})
        raise _Ended(stage)


class _Ended(Exception):  # noqa: N818 (the workflow ended; the ledger says why)
    pass


def open_line(stages: "Stages", report: Callable[[str, str, dict[str, Any]], object], folder: Path) -> Line:
    """Start the engine on an SQLite file in ``folder``; unfinished workflows go on at once."""
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
    line = Line(stages, report)
    DBOS.launch()
    return line


def start(workflow: Callable[[str], None], workflow_id: str, request_id: str) -> None:
    """Begin a workflow once: the same id again changes nothing."""
    with SetWorkflowID(workflow_id):
        DBOS.start_workflow(workflow, request_id)


def close_line() -> None:
    """Stop the engine; what is unfinished goes on at the next start."""
    DBOS.destroy()
