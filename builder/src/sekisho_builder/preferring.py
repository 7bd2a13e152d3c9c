"""Of all answers that satisfy a request, one that policy would allow, if there is any. Pure over its two ports.

The resolver is asked in passes. The first only prefers what is approved. Then the releases that policy would not allow
are left out, project by project as they turn up, until none is chosen or nothing fits any more; then just those that
it cannot do without are let in again, reviews before denials. The first pass forbids nothing, so whatever can be
satisfied is.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sekisho.errors import UnresolvableError, UpstreamError
from sekisho.model import Outcome
from sekisho_builder.solver import Pin, Wish

Solve = Callable[[Wish], list[Pin]]

_MOST_PASSES = 12
_MOST_TRIES = 4
"""Passes that find what must be left out, and tries to do without something that was let in again."""

Releases = dict[str, dict[str, Outcome]]
"""By project, releases that policy would not allow."""


class Outlook(Protocol):
    """What policy would say."""

    def outcomes(self, pins: Sequence[Pin]) -> Mapping[Pin, Outcome]:
        """Return what it would say of each pin."""
        ...

    def releases(self, project: str) -> Mapping[str, Outcome]:
        """Return what it would say of every release of a project."""
        ...


class Answer(NamedTuple):
    """What the resolver chose, and what of it policy would not allow."""

    pins: list[Pin]
    exceptions: Mapping[Pin, Outcome]

    @property
    def cost(self) -> tuple[int, int]:
        """Return how many pins would be denied, and how many reviewed: less is better."""
        denied = sum(outcome is Outcome.DENY for outcome in self.exceptions.values())
        return denied, len(self.exceptions) - denied


def prefer(
    solve: Solve,
    outlook: Outlook,
    wish: Wish,
    *,
    asked: frozenset[str] | None = None,
    odd: Callable[[str], bool] | None = None,
) -> list[Pin]:
    """Return the pins; raise what the resolver raises when nothing satisfies the wish at all. See ``Preferring``."""
    return Preferring(solve, outlook, wish, asked=asked, odd=odd).best().pins


class Preferring:
    """One wish on its way to an answer.

    ``asked`` are the projects that it names, and ``odd`` tells what release a resolver has to be given by name: those
    of requirements and the pre-releases, if nothing else is said.
    """

    def __init__(
        self,
        solve: Solve,
        outlook: Outlook,
        wish: Wish,
        *,
        asked: frozenset[str] | None = None,
        odd: Callable[[str], bool] | None = None,
    ) -> None:
        self._solve = solve
        self._outlook = outlook
        self._wish = wish
        self._asked = _named(wish.requirements) if asked is None else asked
        self._odd = odd or _is_prerelease
        self._out: Releases = {}
        self._allowed: dict[str, list[str]] = {}
        self._spared: set[tuple[str, str]] = set()

    def best(self) -> Answer:
        """Return the answer with the fewest denials, then the fewest reviews, that was found."""
        found = best = self._first()
        for _ in range(_MOST_PASSES):
            self._leave_out(found)
            hidden = self._hidden()
            if not any(pin.release in hidden.get(pin.project, ()) for pin in found.exceptions):
                break
            found = self._try(hidden) or self._let_in()
            best = min(best, found, key=lambda answer: answer.cost)  # of two that cost the same, the earlier
        return self._do_without(best)

    def _first(self) -> Answer:
        try:
            return self._look(self._solve(self._wish))
        except (UnresolvableError, UpstreamError):  # of which one is that it took too long
            if not self._wish.preferred:
                raise
        return self._look(self._solve(Wish(self._wish.requirements)))

    def _look(self, pins: list[Pin]) -> Answer:
        outcomes = self._outlook.outcomes(pins)
        return Answer(pins, {pin: outcome for pin, outcome in outcomes.items() if outcome is not Outcome.ALLOW})

    def _leave_out(self, found: Answer) -> None:
        """Take in what else policy would not allow of the projects with an exception."""
        for pin, outcome in found.exceptions.items():
            known = self._out.get(pin.project, {})
            odd = self._odd(pin.release)
            if pin.project in self._allowed and (pin.release in known or not odd):
                continue
            every = {**self._outlook.releases(pin.project), pin.release: outcome}
            self._allowed[pin.project] = [release for release, said in every.items() if said is Outcome.ALLOW]
            # of what was asked for by name, something must be had
            least = min(said.gravity for said in every.values()) if pin.project in self._asked else 0
            self._out[pin.project] = {
                release: said
                for release, said in every.items()
                # uv takes a constraint that names a pre-release for the wish to have some
                if said.gravity > least and (odd or not self._odd(release))
            }

    def _hidden(self, least: Outcome = Outcome.REVIEW) -> dict[str, list[str]]:
        """Return what is left out: whatever is at least as grave as ``least`` and was not let in again."""
        found = {
            project: [
                release
                for release, said in releases.items()
                if said.gravity >= least.gravity and (project, release) not in self._spared
            ]
            for project, releases in self._out.items()
        }
        return {project: releases for project, releases in found.items() if releases}

    def _try(
        self, hidden: Mapping[str, list[str]], preferred: Mapping[str, Collection[str]] | None = None
    ) -> Answer | None:
        """Ask with something left out; nothing fits, or what only this pass wants to read cannot be had."""
        wish = self._wish._replace(hidden=hidden)
        try:
            pins = self._solve(wish._replace(preferred=preferred) if preferred is not None else wish)
        except (UnresolvableError, UpstreamError):
            return None
        return self._look(pins)

    def _let_in(self) -> Answer:
        """Find what cannot be done without: with all of it let in, but anything else preferred."""
        preferred = {**self._wish.preferred}
        for project, releases in self._allowed.items():
            preferred[project] = (*dict.fromkeys((*preferred.get(project, ()), *releases)),)
        loose = self._try(self._hidden(Outcome.DENY), preferred) or self._try({}, preferred) or self._first()
        self._spared |= {
            (pin.project, pin.release) for pin in loose.pins if pin.release in self._out.get(pin.project, {})
        }
        return self._try(self._hidden()) or loose

    def _do_without(self, best: Answer) -> Answer:
        """Leave out again, one by one, what was let in and may not have been needed."""
        for pin in [pin for pin in best.exceptions if (pin.project, pin.release) in self._spared][:_MOST_TRIES]:
            if pin not in best.exceptions:
                continue
            self._spared.discard((pin.project, pin.release))
            found = self._try(self._hidden())
            if found and found.cost < best.cost:
                best = found
            else:
                self._spared.add((pin.project, pin.release))
        return best


def _named(requirements: Iterable[str]) -> frozenset[str]:
    return frozenset(canonicalize_name(Requirement(text).name) for text in requirements)


def _is_prerelease(release: str) -> bool:
    try:
        return Version(release).is_prerelease
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return True
