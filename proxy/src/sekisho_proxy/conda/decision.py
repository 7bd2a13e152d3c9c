"""What a view is served of a channel by one snapshot, name by name; the next one is made of what changed."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sekisho.model import Artifact, Kind
from sekisho.model.conda import NOARCH
from sekisho.policy import Door
from sekisho_proxy.conda.pieces import Piece, Pieces

KIND: Kind = "conda"
Offered = Mapping[str, Mapping[str, Piece]]
"""The piece of each name, by subdir."""


class _Name(NamedTuple):
    """What is served of a name, by subdir, and until when that is so."""

    pieces: tuple[tuple[str, Piece], ...]
    end: datetime | None


class Decision(NamedTuple):
    """``at`` is when it was made, ``here`` what says which files can be had, and changes when that does."""

    door: Door
    source: str
    at: datetime
    here: object
    names: Mapping[str, _Name]

    @property
    def end(self) -> datetime | None:
        """Return when it changes by itself, if it does."""
        return min((name.end for name in self.names.values() if name.end), default=None)

    def offered(self) -> Offered:
        """Return what is served, by subdir; a channel always has ``noarch`` (CEP 36)."""
        found: dict[str, dict[str, Piece]] = {NOARCH: {}}
        for name in sorted(self.names):
            for subdir, piece in self.names[name].pieces:
                found.setdefault(subdir, {})[name] = piece
        return found


def decide(
    door: Door,
    source: str,
    now: datetime,
    pieces: Pieces,
    is_near: Callable[[Artifact], bool],
    *,
    here: object,
    before: Decision | None,
) -> Decision:
    """Return what ``door`` has of a channel now. What ``before`` says of a name is taken over while it is the same."""
    reusable = before is not None and before.source == source and before.here == here and before.at <= now
    alike = door.alike(before.door) if before and reusable else None
    names = {}
    for name in door.names(KIND):
        known = before.names.get(name) if before and alike and alike(KIND, name) else None
        if known is None or (known.end is not None and known.end <= now):
            known = _Name(
                tuple(_pieces(door, source, name, now, pieces, is_near)),
                door.next_expiry(KIND, name, now, source=source),
            )
        names[name] = known
    return Decision(door, source, now, here, names)


def _pieces(
    door: Door, source: str, name: str, now: datetime, pieces: Pieces, is_near: Callable[[Artifact], bool]
) -> Iterator[tuple[str, Piece]]:
    by_subdir: dict[str, list[Artifact]] = {}
    for row in door.admitted(KIND, name, now, source=source):
        if is_near(row.artifact):
            by_subdir.setdefault(row.artifact.path.partition("/")[0], []).append(row.artifact)
    for subdir, artifacts in by_subdir.items():
        if piece := pieces.of(name, artifacts):
            yield subdir, piece
