"""What a Dockerfile added above the locked packages: held against what lies below it, and what its folder holds."""

from collections.abc import Iterator, Mapping

from sekisho_builder.gates.accepting import Objection
from sekisho_builder.gates.made import Made
from sekisho_builder.reading.entries import Entry

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


def objections(build: Made) -> Iterator[Objection]:
    """Yield what needs a reason, by its path, and what none helps: that an approved file is changed or hidden.

    A file that is one of the definition's folder, byte for byte, was reviewed with it and needs none, where nothing
    was before.
    """
    below: dict[str, Entry] = {}
    ours: set[str] = set()
    for number, entry in build.contents.entries():
        if number < build.top:
            below[entry.path] = entry
            if number >= build.below:
                ours.add(entry.path)
        elif found := _objection(entry, below, ours, build.reviewed):
            yield found


def copied(build: Made) -> int:
    """Return how many files of added layers are those of the definition's folder."""
    return sum(number >= build.top and entry.sha256 in build.reviewed for number, entry in build.contents.entries())


def _objection(entry: Entry, below: Mapping[str, Entry], ours: set[str], reviewed: frozenset[str]) -> Objection | None:
    folder, _, name = entry.path.rpartition("/")
    if name.startswith(_WHITEOUT):
        hidden = folder if name == _OPAQUE else f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/")
        whose = any(path == hidden or path.startswith(f"{hidden}/") or not hidden for path in ours)
        return Objection(f"/{hidden}", f"the Dockerfile removes /{hidden}", acceptable=not whose)
    before = below.get(entry.path)
    if before == entry:
        return None
    if entry.path in ours:
        return Objection(f"/{entry.path}", f"the Dockerfile changes the approved /{entry.path}", acceptable=False)
    if before is not None:
        return Objection(f"/{entry.path}", f"the Dockerfile changes the base's /{entry.path}")
    if entry.sha256 in reviewed:
        return None
    return Objection(f"/{entry.path}", f"the Dockerfile makes /{entry.path}, a {entry.kind} that nobody approved")
