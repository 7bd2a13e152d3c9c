"""The real-time stage: the Azure ML inference server on an image, with no network, asked from inside."""

import json
import time
from pathlib import Path
from typing import Any, Protocol

from sekisho.errors import RefusedError
from sekisho.model import Record
from sekisho.ports import ContainerResult, ContainerTask, Mount
from sekisho_stages.train import last_words

PORT = 5001
"""The inference server's own default; Azure ML's ``inference_config`` names it."""

_ASK = """
import json, sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(sys.argv[1], data=body, headers={"Content-Type": "application/json"})
with urllib.request.urlopen(request, timeout=30) as answer:
    sys.stdout.write(answer.read().decode())
"""


class Served(Protocol):
    """A running container."""

    def exec(self, command: tuple[str, ...]) -> ContainerResult:
        """Run a command inside."""
        ...

    def output(self) -> str:
        """Return what it has printed."""
        ...


class ScoringResult(Record):
    """The server's answer beside the prediction that training recorded."""

    expected: Any
    predicted: Any
    seconds_to_healthy: float

    @property
    def agrees(self) -> bool:
        """Tell whether the two are the same."""
        return bool(self.expected == self.predicted)


def scoring_task(image: str, script: Path, model: Path) -> ContainerTask:
    """Return the server's container: the entry script and the model mounted read-only where Azure ML has them."""
    return ContainerTask(
        image=image,
        command=("azmlinfsrv", "--entry_script", f"/var/azureml-app/entry/{script.name}", "--port", str(PORT)),
        environment={
            "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models",
            "AML_APP_ROOT": "/var/azureml-app",
            "WORKER_COUNT": "1",
        },
        mounts=(
            Mount(outside=str(script.parent.absolute()), inside="/var/azureml-app/entry"),
            Mount(outside=str(model.absolute()), inside="/var/azureml-app/azureml-models"),
        ),
    )


def wait_until_healthy(server: Served, *, timeout: float = 120.0) -> float:
    """Return the seconds until ``GET /`` answered; raise ``RefusedError`` with the server's last words if never."""
    began = time.monotonic()
    while time.monotonic() - began < timeout:
        done = server.exec(("python", "-c", _ASK, f"http://127.0.0.1:{PORT}/"))
        if done.status == 0:
            return round(time.monotonic() - began, 2)
        time.sleep(0.3)
    raise RefusedError(f"the scoring server did not become healthy: {last_words(server.output())}")


def score(server: Served, sample: dict[str, Any], *, healthy_after: float) -> ScoringResult:
    """Post the sample's input to ``/score``; it answers ``{"prediction": …}``, put beside the recorded one."""
    body = json.dumps(sample["input"])
    done = server.exec(("python", "-c", _ASK, f"http://127.0.0.1:{PORT}/score", body))
    if done.status != 0:
        raise RefusedError(
            f"the scoring server refused the sample: {last_words(done.output)}\n{server.output()[-2000:]}"
        )
    try:
        predicted = json.loads(done.output)["prediction"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"the scoring server's answer has no prediction: {done.output[:200]!r}") from error
    return ScoringResult(expected=sample["prediction"], predicted=predicted, seconds_to_healthy=healthy_after)
