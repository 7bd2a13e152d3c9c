"""Does what a batch endpoint does: an entry script gets its model and mini-batches of files.

As many rows must come out as went in, beside the packages by which Azure ML reads its data.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

WORD = "SEKISHO_WORD"
ROOT = Path("/var/azureml-app")
FILES, BATCH = 5, 2
ENTRY = """
import os
from pathlib import Path
model = None
def init():
    global model
    model = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model.txt").read_text()
def run(mini_batch):
    return [f"{Path(path).name}:{model}" for path in mini_batch]
"""
DRIVER = """
import json, runpy, sys
import azureml.core, azureml.dataprep
import fuse
entry = runpy.run_path(sys.argv[1])
size, files = int(sys.argv[2]), sys.argv[3:]
entry["init"]()
rows = [row for first in range(0, len(files), size) for row in entry["run"](files[first:first + size])]
print("\\n" + json.dumps({"rows": rows, "version": azureml.core.__version__}))
"""


def main(prefix: str) -> None:
    """Run a few mini-batches."""
    began, word = time.monotonic(), uuid.uuid4().hex
    model = ROOT / "azureml-models" / "small" / "1"
    model.mkdir(parents=True)
    (model / "model.txt").write_text(word)
    entry = ROOT / "batch_driver.py"
    entry.write_text(ENTRY)
    files = [ROOT / f"row{number}.txt" for number in range(FILES)]
    for file in files:
        file.write_text("data")
    environment = {name: value for name, value in os.environ.items() if name != WORD}
    done = subprocess.run(
        [f"{prefix}/bin/python", "-c", DRIVER, str(entry), str(BATCH), *map(str, files)],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=170,
        env=environment | {"AZUREML_MODEL_DIR": str(model)},
    )  # fmt: skip
    lines = done.stdout.strip().splitlines() or [""]
    saw: list[str] = []
    faults: list[str] = []
    if done.returncode:
        faults.append(f"the mini-batches did not run: {' | '.join(lines[-3:])[-400:]}")
    else:
        found = json.loads(lines[-1])
        if found["rows"] != [f"{file.name}:{word}" for file in files]:
            faults.append(f"{FILES} rows went in, {found['rows']} came out")
        seconds = time.monotonic() - began
        saw.append(f"{FILES} rows in and out, beside azureml-core {found['version']} ({seconds:.1f} s)")
    answer = {"saw": saw, "faults": faults}
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1])
