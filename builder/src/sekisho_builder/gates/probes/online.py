"""Does what an online endpoint does: the inference server becomes healthy and scores.

It loads an entry script and a model from where Azure ML has them.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TextIO

WORD = "SEKISHO_WORD"
ROOT = Path("/var/azureml-app")
INSTALLS = "DYNAMIC_DEP_INSTALLATION"
RUNIT = Path("/var/runit")
HERE = "http://127.0.0.1:5001"
LOG = Path("/tmp/server.log")  # noqa: S108 (inside the container)
PATIENCE = 120
SCORE = """
import json, os
from pathlib import Path
from typing import TextIO
model = None
def init():
    global model
    model = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model.txt").read_text()
def run(raw_data):
    return {"model": model, "rows": len(json.loads(raw_data)["data"])}
"""


def prepare(word: str) -> dict[str, str]:
    """Write an entry script and a model; return the environment that names them."""
    model = ROOT / "azureml-models" / "small" / "1"
    script = ROOT / "small" / "score.py"
    model.mkdir(parents=True)
    script.parent.mkdir()
    (model / "model.txt").write_text(word)
    script.write_text(SCORE)
    return {
        "AML_APP_ROOT": str(ROOT / "small"),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": str(model),
        "WORKER_COUNT": "1",
        "WORKER_TIMEOUT": "300",
    }


def ask(path: str, body: bytes | None = None) -> str | None:
    """Return what the server answers, or nothing while it does not."""
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(HERE + path, data=body, headers=kind)  # noqa: S310 (loopback)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (loopback)
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"status {error.code}: {error.read()[:200].decode(errors='replace')}"
    except OSError:
        return None


def serve(environment: dict[str, str], word: str, log: TextIO) -> tuple[list[str], list[str]]:
    """Start the server and ask it; return (what was seen, what is wrong)."""
    began = time.monotonic()
    command = ["azmlinfsrv", "--entry_script", str(ROOT / "small" / "score.py"), "--port", "5001"]
    try:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    except OSError as error:
        return [], [f"the server cannot be started: {error}"]
    healthy = None
    while healthy is None and server.poll() is None and time.monotonic() - began < PATIENCE:
        time.sleep(0.1)
        healthy = ask("/")
    seconds = time.monotonic() - began
    if healthy is None:
        words = Path(log.name).read_text(errors="replace").strip().splitlines()
        return [], [f"the server did not answer on port 5001: {' | '.join(words[-3:])[-400:]}"]
    answer = ask("/score", json.dumps({"data": [[1], [2], [3]]}).encode())
    server.terminate()
    faults = [] if healthy == "Healthy" else [f"GET / answered {healthy[:200]!r}, not 'Healthy'"]
    try:
        scored = json.loads(answer or "")
    except ValueError:
        scored = None
    if scored != {"model": word, "rows": 3}:
        faults.append(f"POST /score answered {(answer or 'nothing')[:200]!r}")
    return [f"healthy on port 5001 after {seconds:.1f} s, /score answered"], faults


def main() -> None:
    """Run one server."""
    word = uuid.uuid4().hex
    environment = {name: value for name, value in os.environ.items() if name != WORD} | prepare(word)
    installs = environment.get(INSTALLS, "")
    if installs.lower() not in ("", "false") or (RUNIT.exists() and installs.lower() != "false"):
        saw: list[str] = []
        faults = [f"{INSTALLS} is {installs or 'not false'}: the server would install packages when it starts"]
    else:
        with LOG.open("w") as log:
            saw, faults = serve(environment, word, log)
    answer = {"saw": saw, "faults": faults}
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main()
