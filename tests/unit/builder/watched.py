"""What the watcher of a container answers, as it was recorded from a Docker engine 20.10."""

import json

from sekisho.ports import ContainerResult
from sekisho_builder.gates.subject import MARK

WATCH = "SEKISHO_WATCH"
QUIET = {
    "status": 0,
    "in_time": True,
    "seconds": 0.1,
    "output": "",
    "bytes": 0,
    "left": 0,
    "limits": {"processes": 0, "memory": 0},
    "attempts": [],
    "packets": 0,
}


def watched(task, output="", **more):
    """Return how a container ends in which a command printed ``output``."""
    found = QUIET | {"output": output, "bytes": len(output)} | more
    return ContainerResult(status=0, output=f"\n{MARK}{task.environment[WATCH]}{json.dumps(found)}\n")
