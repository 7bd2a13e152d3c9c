"""A worker process with stages that leave files as evidence, to be killed in the middle of one.

Run as ``python -m tests.unit.workflows.line FOLDER WORKFLOW ID``. A stage named by a file ``hold-<stage>`` in the folder
says ``holding <stage>`` and waits until somebody kills it; ``fail-<stage>`` makes it fail, and ``silent-<stage>`` finds
no portal while the file is there, as ``silent-report`` does for reports. The end of the workflow is said as ``ended``.
"""

import sys
import threading
from contextlib import suppress
from pathlib import Path

from dbos import DBOS

from sekisho.client import PortalSilentError
from sekisho.errors import RefusedError
from sekisho_builder.workflows import close_line, open_line, start


def say(line: str) -> None:
    """Write one line at once: ``print`` writes the end of the line separately, and two threads talk here."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class EvidenceStages:
    """Every stage writes down that it began and that it ended, and when told to is held, fails or finds no portal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, what: str) -> None:
        with (self._folder / "evidence").open("a") as file:
            file.write(f"{what}\n")

    def _silent(self, name: str) -> None:
        if (self._folder / f"silent-{name}").exists():
            say(f"silent {name}")
            raise PortalSilentError("the portal does not answer")

    def _stage(self, name: str, request: str) -> str:
        self.note(f"begin {name} {request}")
        if (self._folder / f"hold-{name}").exists():
            say(f"holding {name}")
            threading.Event().wait()
        if (self._folder / f"fail-{name}").exists():
            how = (self._folder / f"fail-{name}").read_text()
            if how == "unexpected":
                raise ZeroDivisionError("surprise")
            raise RefusedError("it cannot be", where="here", todo="do this")
        self._silent(name)
        self.note(f"end {name} {request}")
        return "manifest"

    def resolve(self, request: str) -> None:
        self._stage("resolve", request)

    def inspect(self, request: str) -> None:
        self._stage("inspect", request)

    def suggest(self, request: str) -> None:
        self._stage("suggest", request)

    def lock(self, request: str) -> None:
        self._stage("lock", request)

    def assemble(self, request: str) -> str:
        return self._stage("assemble", request)

    def gate(self, request: str, manifest: str) -> None:
        assert manifest == "manifest"
        self._stage("gate", request)

    def push(self, request: str) -> None:
        self._stage("push", request)

    def clear(self, request: str) -> None:
        self._stage("clear", request)

    def report(self, request: str, kind: str, body: dict) -> None:
        self._silent("report")
        problem = body["problem"]
        self.note(f"report {request} {kind} {body['stage']}: {problem['code']}: {problem['title']}")


def _tell_the_end(workflow_id: str) -> None:
    with suppress(Exception):  # however it ended
        DBOS.retrieve_workflow(workflow_id).get_result()
    say("ended")


def main(folder: Path, workflow: str, workflow_id: str) -> None:
    stages = EvidenceStages(folder)
    line = open_line(stages, stages.report, folder / "engine")
    start(getattr(line, workflow), workflow_id, "r1")
    threading.Thread(target=_tell_the_end, args=(workflow_id,), daemon=True).start()
    sys.stdin.readline()
    close_line(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
