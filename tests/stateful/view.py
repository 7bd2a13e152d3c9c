"""What a path looks at, by the model: a workspace's door, present or frozen, and what is behind it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time

from tests.stateful.pool import Item
from tests.stateful.world import World

_DOOR = re.compile(r"(?P<door>/w/(?P<workspace>[^/]*)/(?:@(?P<at>[^/]*)/)?)(?P<rest>.*)", re.DOTALL)
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class LeakError(AssertionError):
    """Something left that nobody approved, or went where it must not go."""


@dataclass(frozen=True)
class View:
    """What a path looks at. ``as_of`` is ``None`` for the present; ``sure`` is false where 4xx is an answer as well."""

    door: str
    workspace: str
    rest: str
    items: dict[str, Item]
    sure: bool = True
    relaxed: frozenset[str] = frozenset()
    """What else may be had because the workspace does not enforce."""


def view_of(world: World, path: str) -> View | None:
    """Return what a path below ``/w/`` looks at, or ``None`` for any other and for a door that there is not."""
    match = _DOOR.fullmatch(path)
    if not match or not _SLUG.fullmatch(match["workspace"]) or not world.model.reached:
        return None
    as_of, sure = None, True
    if match["at"] is not None:
        as_of, sure = address(world, match["at"])
        if as_of is None:
            return None
    items = world.model.items(match["workspace"], world.clock.now, as_of)
    open_to = world.model.relaxed(match["workspace"])
    relaxed = open_to if match["at"] is None and not world.settings.replica else frozenset()
    return View(match["door"], match["workspace"], match["rest"], items, sure, relaxed)


def address(world: World, text: str) -> tuple[int | None, bool]:
    """Return (sequence that an address names, whether the proxy can be sure of that by now)."""
    line = world.model.line[: world.model.reached]
    if re.fullmatch(r"[0-9a-f]{7,64}", text):
        found = {turn.sequence for turn in line if turn.revision.startswith(text)}
        return (found.pop(), True) if len(found) == 1 else (None, True)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?Z)?", text):
        return None, True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None, True
    moment = moment if moment.tzinfo else datetime.combine(moment.date(), time.max, UTC)
    before = [turn.sequence for turn in line if turn.made <= moment]
    return (before[-1] if before else None), moment <= line[-1].made
