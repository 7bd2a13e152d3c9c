"""The explicit file: what ``conda create --file``, mamba and micromamba install without solving.

It holds conda packages alone, each with its sha256, which conda reads behind the address since 23.x and mamba since
1.4. What a lock has of an index goes into the requirements file beside it.
"""

from sekisho.lock.addresses import DoorAddress
from sekisho.lock.in_order import in_order
from sekisho.lock.value import Lock


def to_explicit(lock: Lock, door: DoorAddress) -> str:
    """Write the conda packages of a lock, what others need first."""
    lines = [
        f"# sekisho-lock: {lock.name}",
        f"# target: {lock.target}",
        f"# specs: {', '.join(lock.conda)}",
        f"# platform: {lock.target.subdir}",
        "@EXPLICIT",
    ]
    lines += [f"{door.file(package)}#sha256:{package.sha256}" for package in in_order(lock)]
    return "\n".join(lines) + "\n"
