"""Does what a job does: a POSIX shell starts the image's Python, which tracks a run with MLflow and reads it back."""

import json
import os
import subprocess
import sys
import time
import uuid

WORD = "SEKISHO_WORD"
JOB = """
import json, os, sys
import mlflow
mlflow.set_tracking_uri("file:///tmp/mlruns")
with mlflow.start_run() as run:
    mlflow.log_param("word", sys.argv[1])
    mlflow.log_metric("metric", 0.5)
data = mlflow.get_run(run.info.run_id).data
found = {"prefix": sys.prefix, "libc": os.confstr("CS_GNU_LIBC_VERSION"), "mlflow": mlflow.__version__,
         "params": data.params, "metrics": data.metrics}
print("\\n" + json.dumps(found))
"""


def main(prefix: str) -> None:
    """Run one job."""
    began, word = time.monotonic(), uuid.uuid4().hex
    environment = {name: value for name, value in os.environ.items() if name != WORD}
    environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "JOB": JOB}  # a database would be migrated first, for seconds
    done = subprocess.run(
        ["/bin/sh", "-c", f'python -c "$JOB" {word}'],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=150,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines() or [""]
    saw: list[str] = []
    faults: list[str] = []
    if done.returncode:
        faults.append(f"the job ended with status {done.returncode}: {' | '.join(lines[-3:])[-400:]}")
    else:
        found = json.loads(lines[-1])
        if found["prefix"] != prefix:
            faults.append(f"`python` of the shell is the one of {found['prefix']}, not of {prefix}")
        if not (found["libc"] or "").startswith("glibc"):
            faults.append(f"the C library is {found['libc']}, not glibc")
        if found["params"] != {"word": word} or found["metrics"] != {"metric": 0.5}:
            faults.append(f"MLflow tracked something else: {found['params']} {found['metrics']}")
        saw.append(f"/bin/sh started Python, and MLflow {found['mlflow']} tracked a run ({found['libc']}, "
                   f"{time.monotonic() - began:.1f} s)")  # fmt: skip
    answer = {"saw": saw, "faults": faults}
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1])
