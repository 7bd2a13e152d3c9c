"""Which wheels a target accepts: its own order of tags (PEP 425, PEP 600)."""

from packaging.tags import Tag, compatible_tags, cpython_tags

from sekisho.model.target import Target

_GLIBC_FLOOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}


def platforms(target: Target) -> list[str]:
    """Return the target's platform tags, best first: built on the spot, then PEP 600 and its older spellings."""
    major, newest = target.glibc_version
    tags = [f"linux_{target.arch}"]
    for minor in range(newest, _GLIBC_FLOOR[target.arch] - 1, -1):
        tags.append(f"manylinux_{major}_{minor}_{target.arch}")
        if old := _LEGACY.get((major, minor)):
            tags.append(f"{old}_{target.arch}")
    return tags


def wheel_tags(target: Target) -> list[Tag]:
    """Return every tag that the target accepts, best first."""
    minor = target.python_minor
    abi = f"cp{minor[0]}{minor[1]}"
    where = platforms(target)
    return [
        *cpython_tags(minor, [abi, "abi3", "none"], where),
        *compatible_tags(minor, abi, where),
    ]
