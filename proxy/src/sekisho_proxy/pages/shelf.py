"""A shelf of prebuilt pages with an end: who is put on it last pushes the oldest off."""

from collections.abc import Hashable
from datetime import datetime
from typing import NamedTuple

from sekisho_proxy.pages.built import BuiltPage


class _Standing(NamedTuple):
    page: BuiltPage
    end: datetime | None
    weight: int
    made_of: object


class Shelf:
    """Pages by key, until their end, no heavier together than ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pages: dict[Hashable, _Standing] = {}
        self.weight = 0

    def __len__(self) -> int:
        return len(self._pages)

    def clear(self) -> None:
        """Take everything off."""
        self._pages.clear()
        self.weight = 0

    def find(self, key: Hashable, now: datetime, *, made_of: object = None) -> BuiltPage | None:
        """Return the page of ``key``, unless it has ended or was made of another object than ``made_of``."""
        found = self._pages.get(key)
        good = found and found.made_of is made_of and (found.end is None or now < found.end)
        return found.page if found and good else None

    def put(
        self, key: Hashable, page: BuiltPage, end: datetime | None, *, weight: int = 1, made_of: object = None
    ) -> None:
        """Put a page on; one that is heavier than the whole shelf is not kept."""
        self._drop(key)
        if weight > self._most:
            return
        while self.weight + weight > self._most:
            self._drop(next(iter(self._pages)))
        self._pages[key] = _Standing(page, end, weight, made_of)
        self.weight += weight

    def _drop(self, key: Hashable) -> None:
        old = self._pages.pop(key, None)
        self.weight -= old.weight if old else 0
