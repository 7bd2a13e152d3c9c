"""The fewest approvals with which match specs can be satisfied, by what policy would say of each candidate.

What nobody has asked the policy about yet counts as allowed, until it is chosen: then it is asked, and of what needs an
approval all other candidates of the name, too. So the answer, once all of it was asked about, needs no more approvals
than any other; and the policy is asked about little.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sekisho.errors import UnresolvableError
from sekisho.model import Outcome
from sekisho.model.conda import PackageName
from sekisho_builder.conda.fewest import PATIENCE, Names, fewest
from sekisho_builder.conda.offers import CondaOffers
from sekisho_builder.conda.solver import Chosen, CondaSolver
from sekisho_builder.solver import Pin, Wish

Said = Mapping[str, Outcome]
"""By path, what was said of a file."""


class Approvals(NamedTuple):
    """An answer, and the paths in it that need an approval; ``proved`` tells that no answer needs fewer."""

    chosen: tuple[Chosen, ...]
    needed: frozenset[str]
    proved: bool


def fewest_approvals(
    solver: CondaSolver,
    offers: CondaOffers,
    judged: Said,
    *,
    held: frozenset[str] = frozenset(),
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Approvals | None:
    """Return the answer that needs the fewest approvals; nothing if none does without something that is denied.

    ``judged`` is what came of the files of a closure, which is kept to where that costs nothing; of the names ``held``
    every other file needs an approval, too. The first answers count although they are not proved to be the best once
    ``patience``, in seconds, is used up.
    """
    search = _Search(solver, offers, judged, held)
    end, best = clock() + patience, None
    while True:
        found = search.look(max(0.1, end - clock()))
        if found is None:
            return best
        unknown = [row for row in found.chosen if row.path not in search.said]
        if not unknown:
            return found
        search.learn(unknown)
        if all(search.said[row.path] is not Outcome.DENY for row in found.chosen):
            now = found._replace(needed=search.needed(found.chosen), proved=False)
            best = now if best is None or len(now.needed) < len(best.needed) else best
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

    def needed(self, chosen: tuple[Chosen, ...]) -> frozenset[str]:
        """Return the paths that need an approval, as far as it is known."""
        return frozenset(row.path for row in chosen if self.said.get(row.path) is Outcome.REVIEW)

    def look(self, patience: float) -> Approvals | None:
        """Return the answer that needs the fewest approvals by what is known."""
        denied = {path: (path,) for path, outcome in self.said.items() if outcome is Outcome.DENY}
        paid = frozenset(path for path, outcome in self.said.items() if outcome is Outcome.REVIEW)
        wish = Wish(self._solver.request.conda, self._kept, denied)
        answers: dict[Names, tuple[Chosen, ...]] = {}

        def fits(opened: Names) -> Names | None:
            try:
                chosen = tuple(self._solver.choose(wish, paid=paid, opened=opened))
            except UnresolvableError:
                return None
            needing = frozenset(row.name for row in chosen if row.path in paid)
            answers[needing] = chosen
            return needing

        names = frozenset(PackageName.parse(path.rpartition("/")[2]).name for path in paid)
        found = fewest(fits, names, forced=self._solver.forced(paid, denied), patience=patience)
        if found is None:
            return None
        chosen = answers[found.names]
        return Approvals(chosen, self.needed(chosen), found.proved)

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
