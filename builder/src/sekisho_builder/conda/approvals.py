"""The fewest approvals with which match specs can be satisfied, by what policy would say of each candidate.

What nobody has asked the policy about yet counts as allowed, until it is chosen: then it is asked, and of what needs an
approval all other candidates of the name, too. So the answer, once all of it was asked about, needs no more approvals
than any other; and the policy is asked about little.

Where every answer holds something that is denied, the one is found that holds the fewest such files, and of those the
one that needs the fewest approvals: so it is said what keeps a request from passing, although no approval lifts it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from sekisho.errors import UnresolvableError
from sekisho.model import Outcome
from sekisho.model.conda import PackageName
from sekisho_builder.conda.fewest import PATIENCE, Names, fewest
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.solver import Chosen, CondaSolver
from sekisho_builder.solver import Pin, Wish

_DENIED = "!"
"""Before a name that is let in for what is denied of it; no name begins so."""

Said = Mapping[str, Outcome]
"""By path, what was said of a file."""


class Approvals(NamedTuple):
    """An answer, and the paths in it that need an approval, or are denied; ``proved``: no answer has fewer."""

    chosen: tuple[Chosen, ...]
    needed: frozenset[str]
    proved: bool
    denied: frozenset[str] = frozenset()

    @property
    def cost(self) -> tuple[int, int]:
        """Return how many files are denied, and how many need an approval: less is better."""
        return len(self.denied), len(self.needed)


def fewest_approvals(
    solver: CondaSolver,
    offers: CondaOffers,
    judged: Said,
    *,
    held: frozenset[str] = frozenset(),
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Approvals | None:
    """Return the answer that needs the fewest approvals; nothing if there is none at all.

    ``judged`` is what came of the files of a closure, which is kept to where that costs nothing; of the names ``held``
    every other file needs an approval, too. The first answers count although they are not proved to be the best once
    ``patience``, in seconds, is used up. Only where nothing fits without anything that is denied does the answer hold
    such files, which is looked for as long again.
    """
    search = _Search(solver, offers, judged, held)
    return _best(search, patience, clock, denied=False) or _best(search, patience, clock, denied=True)


def _best(search: "_Search", patience: float, clock: Callable[[], float], *, denied: bool) -> Approvals | None:
    """Look, and learn what is said of the answer, until all of it was asked about or the time is up.

    Only where ``denied`` may the answer hold files that are denied.
    """
    look = search.look_among_denied if denied else search.look
    end, best = clock() + patience, None
    while True:
        found = look(max(0.1, end - clock()))
        if found is None:
            return best
        unknown = [row for row in found.chosen if row.path not in search.said]
        if not unknown:
            return found
        search.learn(unknown)
        now = search.rated(found.chosen, proved=False)
        if denied or not now.denied:
            best = now if best is None or now.cost < best.cost else best
        if clock() > end:
            return best


class _Search:
    """What was said so far, and the answer that is the best by that."""

    def __init__(self, solver: CondaSolver, offers: CondaOffers, judged: Said, held: frozenset[str]) -> None:
        self._held = held
        self._solver = solver
        self._offers = offers
        self.said: dict[str, Outcome] = dict(judged)
        self._kept = {path: (path,) for path, outcome in judged.items() if outcome is not Outcome.DENY}

    def rated(self, chosen: tuple[Chosen, ...], *, proved: bool) -> Approvals:
        """Return an answer with what of it needs an approval or is denied, as far as it is known."""
        paths = frozenset(row.path for row in chosen)
        needed, denied = (paths & self._said(outcome) for outcome in (Outcome.REVIEW, Outcome.DENY))
        return Approvals(chosen, needed, proved, denied)

    def _said(self, outcome: Outcome) -> frozenset[str]:
        return frozenset(path for path, said in self.said.items() if said is outcome)

    def look(self, patience: float) -> Approvals | None:
        """Return the answer that needs the fewest approvals by what is known, and holds nothing that is denied."""
        denied, paid = self._said(Outcome.DENY), self._said(Outcome.REVIEW)
        wish = self._without(denied)
        answers: dict[Names, tuple[Chosen, ...]] = {}

        def fits(opened: Names) -> Names | None:
            try:
                chosen = tuple(self._solver.choose(wish, paid=paid, opened=opened))
            except UnresolvableError:
                return None
            needing = frozenset(row.name for row in chosen if row.path in paid)
            answers[needing] = chosen
            return needing

        names = frozenset(map(_name, paid))
        found = fewest(fits, names, forced=self._solver.forced(paid, denied), patience=patience)
        return self.rated(answers[found.names], proved=found.proved) if found else None

    def look_among_denied(self, patience: float) -> Approvals | None:
        """Return the answer that holds the fewest files that are denied, then needs the fewest approvals.

        A name may be let in twice: for what needs an approval, and for what is denied, which weighs more than all of
        the former.
        """
        tokens = {path: _name(path) for path in self._said(Outcome.REVIEW)}
        tokens |= {path: _DENIED + _name(path) for path in self._said(Outcome.DENY)}
        every = frozenset(tokens.values())
        paid, names = frozenset(tokens), frozenset(map(_name, tokens))
        answers: dict[Names, tuple[Chosen, ...]] = {}

        def weigh(some: Names) -> int:
            return sum(len(every) + 1 if token.startswith(_DENIED) else 1 for token in some)

        def fits(opened: Names) -> Names | None:
            wish = self._without(path for path, token in tokens.items() if token not in opened)
            try:
                chosen = tuple(self._solver.choose(wish, paid=paid, opened=names))
            except UnresolvableError:
                return None
            used = frozenset(tokens[row.path] for row in chosen if row.path in tokens)
            answers[used] = chosen
            return used

        sure = self._solver.forced(paid, ())
        forced = frozenset(
            token
            for token in every
            if (name := token.removeprefix(_DENIED)) in sure and not {name, _DENIED + name} <= every
        )
        found = fewest(fits, every, forced=forced, weigh=weigh, patience=patience)
        return self.rated(answers[found.names], proved=found.proved) if found else None

    def _without(self, paths: Iterable[str]) -> Wish:
        return Wish(self._solver.request.conda, self._kept, {path: (path,) for path in paths})

    def learn(self, unknown: list[Chosen]) -> None:
        """Ask about files; and about all others of their names where an approval is needed, or none is possible."""
        pins = [Pin(row.name, row.path, ()) for row in unknown]
        said = self._offers.outcomes(pins)
        self._note({pin.release: (pin.project, outcome) for pin, outcome in said.items()})
        names = sorted(pin.project for pin in pins if self.said[pin.release] is not Outcome.ALLOW)
        rows = {row.path: row.name for row in self._solver.offered(*names)} if names else {}
        self._note({path: (rows[path], outcome) for path, outcome in self._offers.of_names(names).items()})

    def _note(self, said: Mapping[str, tuple[str, Outcome]]) -> None:
        for path, (name, outcome) in said.items():
            asked = Outcome.REVIEW if name in self._held and outcome is Outcome.ALLOW else outcome
            self.said.setdefault(path, asked)


def _name(path: str) -> str:
    return PackageName.parse(path.rpartition("/")[2]).name
