"""Which wheel of a release an installer on the target takes: the target's own order of tags (PEP 425, PEP 600)."""

from collections.abc import Container, Mapping, Sequence

from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename

from sekisho.errors import UnresolvableError
from sekisho.model import Artifact, Request
from sekisho_builder.solver import Pin


def best_wheel(
    pin: Pin,
    files: Sequence[Artifact],
    ranks: Mapping[Tag, int],
    request: Request,
    known: Container[str] = frozenset(),
) -> Artifact:
    """Return the wheel that an installer on the target would take: best tag, then highest build number.

    One whose sha256 is ``known`` to be approved comes first: it is the one that a door offers. Where the request names
    what a project is built with, only a wheel that was built so will do.
    """

    def rank(artifact: Artifact) -> tuple[bool, int, BuildTag] | None:
        try:
            _, _, build, tags = parse_wheel_filename(artifact.filename)
        except InvalidWheelFilename:
            return None
        found = [ranks[tag] for tag in tags if tag in ranks]
        return (artifact.sha256 in known, -min(found), build) if found else None

    hashes, recipe = request.hashes.get(pin.project), request.for_build(pin.project).recipe
    made = [file for file in files if not file.built or recipe in (None, file.recipe)]
    fitting = [(r, a) for a in _in_time(made, request) if (r := rank(a))]
    ranked = [row for row in fitting if hashes is None or (row[1].built or row[1].sha256) in hashes]
    if not ranked:
        which = f" that has one of the {len(hashes)} hashes asked for" if hashes and fitting else ""
        raise UnresolvableError(
            f"{pin.project} {pin.release} has no wheel for {request.target}{which}",
            where=f"needed by {', '.join(pin.via) or 'the request'}",
            todo="ask for another version, or for another target",
        )
    return max(ranked, key=lambda row: row[0])[1]


def best_source(pin: Pin, files: Sequence[Artifact], request: Request) -> Artifact | None:
    """Return the source of a release, marked to be built in the runner alone; nothing if it has none that can be."""
    hashes = request.hashes.get(pin.project)
    for file in _in_time(files, request):
        if file.filename.endswith(".tar.gz") and (hashes is None or file.sha256 in hashes):
            return file.model_copy(update={"build_only": True})
    return None


def _in_time(files: Sequence[Artifact], request: Request) -> list[Artifact]:
    """Return by name what was there before the cut-off of a request."""
    before = request.resolve_before
    found = [a for a in files if before is None or (a.uploaded is not None and a.uploaded < before)]
    return sorted(found, key=lambda artifact: artifact.filename)
