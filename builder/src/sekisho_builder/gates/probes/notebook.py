"""Does what a notebook does: starts the image's kernel and has it execute cells, over Jupyter's protocol."""

import json
import os
import subprocess
import sys
import time
import uuid

WORD = "SEKISHO_WORD"
CLIENT = """
import json, sys
import ipykernel
from jupyter_client.manager import start_new_kernel
def execute(code):
    seen = []
    def hear(message):
        if message["msg_type"] == "execute_result":
            seen.append(message["content"]["data"]["text/plain"])
        if message["msg_type"] == "error":
            seen.append(message["content"]["ename"])
    reply = client.execute_interactive(code, timeout=60, output_hook=hear)
    return [reply["content"]["status"], *seen]
manager, client = start_new_kernel(startup_timeout=90, kernel_name="python3")
try:
    found = {"ipykernel": ipykernel.__version__, "word": execute(f"word = {sys.argv[1]!r}; word[::-1]"),
             "kept": execute("len(word)"), "error": execute("1 / 0"), "prefix": execute("__import__('sys').prefix")}
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print("\\n" + json.dumps(found))
"""


def main(prefix: str) -> None:
    """Run one kernel."""
    began, word = time.monotonic(), uuid.uuid4().hex
    environment = {name: value for name, value in os.environ.items() if name != WORD}
    done = subprocess.run(
        [f"{prefix}/bin/python", "-c", CLIENT, word],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=170,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines() or [""]
    saw: list[str] = []
    faults: list[str] = []
    if done.returncode:
        faults.append(f"the kernel did not run: {' | '.join(lines[-3:])[-400:]}")
    else:
        found = json.loads(lines[-1])
        wanted = {
            "word": ["ok", repr(word[::-1])],
            "kept": ["ok", str(len(word))],
            "error": ["error", "ZeroDivisionError"],
            "prefix": ["ok", repr(prefix)],
        }
        faults += [f"a cell answered {found.get(cell)}, not {value}"
                   for cell, value in wanted.items() if found.get(cell) != value]  # fmt: skip
        saw.append(f"ipykernel {found['ipykernel']} executed {len(wanted)} cells in {time.monotonic() - began:.1f} s")
    answer = {"saw": saw, "faults": faults}
    print(f"\nsekisho-answer:{os.environ[WORD]}{json.dumps(answer)}")  # noqa: T201 (its way to answer)


if __name__ == "__main__":
    main(sys.argv[1])
