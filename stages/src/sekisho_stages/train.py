"""The training stage: run a job's script on an image with no network, and read the metric it leaves."""

import json
from pathlib import Path
from typing import Any

from sekisho.errors import ConflictError, RefusedError
from sekisho.model import Record
from sekisho.ports import Containers, ContainerTask, Mount


class TrainingResult(Record):
    """What a job left: its metrics, and one sample with the prediction that training recorded for it."""

    metrics: dict[str, float]
    sample: dict[str, Any]
    output: str = ""


def train(containers: Containers, image: str, script: Path, out: Path, *, timeout: int = 600) -> TrainingResult:
    """Run ``script`` on ``image``; it writes ``metrics.json``, ``sample.json`` and its model under ``out``.

    The job runs as the image's own user without network and without credentials. Raises ``RefusedError`` with the
    job's last words when it fails, and names the file when it leaves none.
    """
    if out.exists() and any(out.iterdir()):
        raise ConflictError("the folder for results is not empty", where=str(out), todo="name an empty or a new folder")
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o777)  # the image's user is not this machine's
    task = ContainerTask(
        image=image,
        command=("python", f"/job/{script.name}"),
        environment={"OUTPUT": "/outputs"},
        mounts=(
            Mount(outside=str(script.parent.absolute()), inside="/job"),
            Mount(outside=str(out.absolute()), inside="/outputs", writable=True),
        ),
        timeout=timeout,
    )
    done = containers.run(task)
    if done.status != 0:
        raise RefusedError(
            f"the training job ended with status {done.status}: {last_words(done.output)}", where=str(script)
        )
    return TrainingResult(
        metrics=_read(out / "metrics.json"), sample=_read(out / "sample.json"), output=last_words(done.output, 20)
    )


def last_words(output: str, lines: int = 8) -> str:
    """Return the end of a container's output."""
    return "\n".join(output.strip().splitlines()[-lines:])


def _read(path: Path) -> Any:  # noqa: ANN401 (any JSON value)
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RefusedError(f"the job left no readable {path.name}: {error}", where=str(path)) from error
