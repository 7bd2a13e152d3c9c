"""The inspector's process: jobs come in as lines, facts go out as lines, and the kernel bounds it.

Run as ``python -I -m sekisho_proxy.inspect.worker``. It has no environment, may write no file, and is killed by its
parent when it takes too long.
"""

import json
import resource
import sys
from pathlib import Path

from sekisho.model import Facts
from sekisho_proxy.inspect.wheel import Job, inspect_file, patience

_MEMORY = 2 << 30
_OPEN_FILES = 32
_LONGEST_LINE = 1 << 20


def main() -> None:
    """Answer every line of standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := sys.stdin.buffer.readline(_LONGEST_LINE):
        job = Job.parse_json(line, where="inspector")
        _bound_cpu(int(patience(job.filename, Path(job.path).stat().st_size)) + 1)
        answer = {"facts": _facts(job).plain()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _facts(job: Job) -> Facts:
    if not job.provenance:
        return inspect_file(job)
    from sekisho_proxy.inspect.attestation import verify_provenance  # noqa: PLC0415 (it loads half a second of libraries)

    return verify_provenance(job)


def _bound_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
