"""One cold assembly in a process of its own: what it takes is then of nothing else.

python -m bench.images.once FILE     FILE is a pickled `Order`; prints seconds and manifest as JSON
"""

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.images.wheels import definition
from sekisho.lock import Lock
from sekisho_builder.assemble import assemble
from sekisho_builder.oci import Layout


class Order(NamedTuple):
    """What is to be assembled, and where."""

    lock: Lock
    base: Path
    files: dict[str, Path]
    folder: Path


def main() -> int:
    """Assemble what the file of an order says; return the exit status."""
    order: Order = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 (the benchmark wrote it a moment ago)
    began = time.perf_counter()
    made = assemble(
        definition(order.lock),
        order.lock,
        Layout(order.base),
        lambda artifact: order.files[artifact.sha256],
        cache=order.folder / "layers",
        out=order.folder / "image",
    )
    seconds = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    sys.stdout.write(json.dumps({"seconds": seconds, "processor": processor, "manifest": made.manifest}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
