"""A worker process with stages that leave files as evidence, to be killed in the middle of one.

Run as ``python -m tests.unit.workflows.line FOLDER WORKFLOW ID``. A stage named by a file ``hold-<stage>`` in the folder
says ``holding <stage>`` and waits until somebody kills it; ``fail-<stage>`` makes it fail, and ``silent-<stage>`` finds
no portal while the file is there, as ``silent-report`` does for reports.
"""

import sys
import threading
from pathlib import Path

from sekisho.client import PortalSilentError
from sekisho.errors import RefusedError
from sekisho_builder.workflows import close_line, open_line, start


class EvidenceStages:
    """Every stage writes down that it began and that it ended, and when told to is held, fails or finds no portal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, what: str) -> None:
        with (self._folder / "evidence").open("a") as file:
            file.write(f"{what}\n")

    def _silent(self, name: str) -> None:
        if (self._folder / f"silent-{name}").exists():
            print(f"silent {name}", flush=True)  # noqa: T201
            raise PortalSilentError("the portal does not answer")

    def _stage(self, name: str, request: str) -> str:
        self.note(f"begin {name} {request}")
        if (self._folder / f"hold-{name}").exists():
            print(f"holding {name}", flush=True)  # noqa: T201
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


def main(folder: Path, workflow: str, workflow_id: str) -> None:
    stages = EvidenceStages(folder)
    line = open_line(stages, stages.report, folder / "engine")
    start(getattr(line, workflow), workflow_id, "r1")
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    close_line(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
