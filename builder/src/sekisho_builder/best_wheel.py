"""Which wheel of a release an installer on the target takes: the target's own order of tags (PEP 425, PEP 600)."""

from collections.abc import Container, Mapping, Sequence

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Request, Target
from sekisho_builder.solver import Pin

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


def best_wheel(
    pin: Pin,
    files: Sequence[Artifact],
    ranks: Mapping[Tag, int],
    request: Request,
    known: Container[str] = frozenset(),
) -> Artifact:
    """Return the wheel that an installer on the target would take: best tag, then highest build number.

    One whose sha256 is ``known`` to be approved comes first: it is the one that a door offers.
    """

    def rank(artifact: Artifact) -> tuple[bool, int, BuildTag] | None:
        try:
            _, _, build, tags = parse_wheel_filename(artifact.filename)
        except InvalidWheelFilename:
            return None
        found = [ranks[tag] for tag in tags if tag in ranks]
        return (artifact.sha256 in known, -min(found), build) if found else None

    before, hashes = request.resolve_before, request.hashes.get(pin.project)
    in_time = [a for a in files if before is None or (a.uploaded is not None and a.uploaded < before)]
    fitting = [(r, a) for a in sorted(in_time, key=lambda a: a.filename) if (r := rank(a))]
    ranked = [row for row in fitting if hashes is None or row[1].sha256 in hashes]
    if not ranked:
        which = f" that has one of the {len(hashes)} hashes asked for" if hashes and fitting else ""
        raise UnresolvableError(
            f"{pin.project} {pin.release} has no wheel for {request.target}{which}",
            where=f"needed by {', '.join(pin.via) or 'the request'}",
            todo="ask for another version, or for another target",
        )
    return max(ranked, key=lambda row: row[0])[1]
