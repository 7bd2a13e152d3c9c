"""Several Python processes that begin the same work at the same moment."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

READY = "print('ready', flush=True); __import__('sys').stdin.readline()\n"


def run_at_once(code: str, arguments: Sequence[Sequence[str]]) -> list[str]:
    """Run ``code`` once for each list of arguments, as it is after its line ``# at once``; return what each printed."""
    script = code.replace("# at once\n", READY)
    assert script != code
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script, *row],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for row in arguments
        ]
        for process in processes:
            stack.callback(process.kill)
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate(timeout=60) for process in processes]
        for process, (_, complaint) in zip(processes, ended, strict=True):
            assert process.returncode == 0, complaint
        return [said for said, _ in ended]
