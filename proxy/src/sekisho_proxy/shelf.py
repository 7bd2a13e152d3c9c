"""A shelf of what was made, with an end: who is put on it last pushes off what was asked for least lately."""

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

Thing = TypeVar("Thing")


class _Standing(NamedTuple, Generic[Thing]):
    thing: Thing
    end: datetime | None
    weight: int
    made_of: object


class Shelf(Generic[Thing]):
    """Things by key, until their end, no heavier together than ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: dict[Hashable, _Standing[Thing]] = {}
        self.weight = 0

    def __len__(self) -> int:
        return len(self._things)

    def clear(self) -> None:
        """Take everything off."""
        self._things.clear()
        self.weight = 0

    def get(self, key: Hashable) -> Thing | None:
        """Return what ``key`` has, though it may have ended. What is looked at is dropped last."""
        found = self._things.pop(key, None)
        if found is None:
            return None
        self._things[key] = found
        return found.thing

    def find(self, key: Hashable, now: datetime, *, made_of: object = None) -> Thing | None:
        """Return what ``key`` has, unless it has ended or was made of another object than ``made_of``."""
        found = self._things.get(key)
        if found is None or found.made_of is not made_of or (found.end is not None and found.end <= now):
            return None
        return self.get(key)

    def put(
        self, key: Hashable, thing: Thing, end: datetime | None, *, weight: int = 1, made_of: object = None
    ) -> None:
        """Put a thing on; one that is heavier than the whole shelf is not kept."""
        self._drop(key)
        if weight > self._most:
            return
        while self.weight + weight > self._most:
            self._drop(next(iter(self._things)))
        self._things[key] = _Standing(thing, end, weight, made_of)
        self.weight += weight

    def _drop(self, key: Hashable) -> None:
        old = self._things.pop(key, None)
        self.weight -= old.weight if old else 0
