"""The fewest names that must be let in so that something fits. Pure over one question to a solver.

The solver is only asked whether something fits with some names let in, and more names never make less fit. Each time
it does not, a small set of names is found of which at least one has to be let in (a core); no answer is smaller than
the smallest set that hits every core, and when that set fits, it is the answer (implicit hitting sets: Moreno-Centeno
and Karp, 2013; cores shrunk as in QuickXplain: Junker, 2004).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Names = frozenset[str]

Weigh = Callable[[Names], int]
"""Says what letting names in costs: the sum of what each of them does, which is something."""

Fits = Callable[[Names], Names | None]
"""Says with which of the names that are let in something fits, or nothing where nothing does."""

PATIENCE = 3.0
"""Seconds that may be spent on finding less."""


class Fewest(NamedTuple):
    """Names that suffice; ``proved`` tells that no smaller set does."""

    names: Names
    proved: bool


class _Late(Exception):  # noqa: N818 (the time is used up; what was found counts)
    pass


def fewest(
    fits: Fits,
    names: Iterable[str],
    *,
    forced: Names = frozenset(),
    weigh: Weigh = len,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Fewest | None:
    """Return the smallest set of ``names`` with which something fits; nothing if not even all of them do.

    The smallest is the one that weighs least. ``forced`` are known to be in every such set. When ``patience`` is used
    up, the smallest set that was found is returned unproved.
    """
    every, end = frozenset(names), clock() + patience
    best = fits(every)
    if best is None:
        return None
    search = _Search(fits, weigh, every, best, forced, lambda: clock() > end)
    try:
        search.run()
    except _Late:
        return Fewest(search.best, proved=False)
    return Fewest(search.best, proved=True)


class _Search:
    def __init__(
        self, fits: Fits, weigh: Weigh, every: Names, best: Names, forced: Names, late: Callable[[], bool]
    ) -> None:
        self._ask = fits
        self._weigh = weigh
        self._every = every
        self._late = late
        self._forced = forced
        self._cores: list[Names] = [frozenset({name}) for name in forced]
        self.best = best

    def _fits(self, names: Names) -> bool:
        if self._late():
            raise _Late
        used = self._ask(names)
        if used is not None and self._weigh(used) < self._weigh(self.best):
            self.best = used
        return used is not None

    def run(self) -> None:
        if self._weigh(self._forced) >= self._weigh(self.best) or self._fits(self._forced):
            return
        for name in sorted(self.best - self._forced):  # most of it cannot be done without, which a question each tells
            if name in self.best and not self._fits(self._every - {name}):
                self._cores.append(frozenset({name}))
        while True:
            hitting = smallest_hitting(self._cores, self._weigh)
            if self._weigh(hitting) >= self._weigh(self.best):
                return
            if self._fits(hitting):
                return
            rest = sorted(self._every - hitting, key=lambda name: (name in self.best, name))
            self._cores.append(frozenset(self._core(rest)))

    def _core(self, closed: Sequence[str]) -> list[str]:
        """Return a least part of ``closed`` without which nothing fits, whatever else is let in."""

        def shrink(background: Names, changed: bool, part: Sequence[str]) -> list[str]:  # noqa: FBT001
            if changed and not self._fits(self._every - background):
                return []
            if len(part) == 1:
                return list(part)
            first, second = part[: len(part) // 2], part[len(part) // 2 :]
            later = shrink(background | set(first), True, second)  # noqa: FBT003
            earlier = shrink(background | set(later), bool(later), first)
            return earlier + later

        return shrink(frozenset(), False, closed)  # noqa: FBT003


def smallest_hitting(sets: Sequence[Names], weigh: Weigh = len) -> Names:
    """Return a set that has a name of each of ``sets`` and weighs least."""
    forced = frozenset().union(*(one for one in sets if len(one) == 1))
    left = sorted((one for one in sets if not one & forced), key=len)
    bound = frozenset(next(iter(sorted(one))) for one in left)
    return forced | _hit(left, frozenset(), bound, weigh)


def _hit(left: Sequence[Names], taken: Names, best: Names, weigh: Weigh) -> Names:
    if not left:
        return min(best, taken, key=weigh)
    if weigh(taken) + _disjoint(left, weigh) >= weigh(best):
        return best
    for name in sorted(left[0]):
        best = _hit([one for one in left if name not in one], taken | {name}, best, weigh)
    return best


def _disjoint(sets: Sequence[Names], weigh: Weigh) -> int:
    """Return what a name of each of those of ``sets`` that share no name weighs at least."""
    seen, least = frozenset[str](), 0
    for one in sets:
        if not one & seen:
            seen, least = seen | one, least + min(weigh(frozenset({name})) for name in one)
    return least
