"""What to have instead of a closure that policy does not allow as it is: the nearest answer of which it allows more.

First the request itself is satisfied otherwise, if it can be. Then the direct requirements that lead to an exception
may have any release, the nearest one first. What only an inspection can tell, such as a licence, is not looked for in
releases that nobody has inspected: it mostly holds for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement

from sekisho.errors import UnresolvableError, UpstreamError
from sekisho.model import Alternative, Change, Closure, Judgement, Outcome, nearest, normalize_project
from sekisho_builder.preferring import Answer, Outlook, Preferring, Solve
from sekisho_builder.solver import Pin, Wish

Named = tuple[str, str]
"""A project and a release."""


class Judged(NamedTuple):
    """A closure with what came of it, and by project the releases that another answer may do without."""

    closure: Closure
    outcomes: Mapping[Named, Outcome]
    avoidable: Mapping[str, str]

    @property
    def fixed(self) -> frozenset[Named]:
        """Return the exceptions that hold whatever else is chosen."""
        avoidable = frozenset(self.avoidable.items())
        return frozenset(name for name, said in self.outcomes.items() if said is not Outcome.ALLOW) - avoidable


def read_judged(closure: Closure, judgement: Judgement, avoidable: Iterable[str]) -> Judged:
    """Return what a judgement says of a closure; ``avoidable`` are hashes."""
    names = {artifact.sha256: (artifact.project, artifact.release) for artifact in closure.artifacts}
    outcomes = {names[row.sha256]: row.outcome for row in judgement.verdicts if row.sha256 in names}
    return Judged(closure, outcomes, dict(names[sha256] for sha256 in avoidable if sha256 in names))


class _Knowing:
    """An outlook that knows what came of the files that were judged."""

    def __init__(self, outlook: Outlook, judged: Judged) -> None:
        self._outlook = outlook
        self._outcomes = {**judged.outcomes, **dict.fromkeys(judged.fixed, Outcome.ALLOW)}

    def outcomes(self, pins: Sequence[Pin]) -> Mapping[Pin, Outcome]:
        """Return what was said of a pin, or else what would be."""
        unknown = [pin for pin in pins if (pin.project, pin.release) not in self._outcomes]
        found = {pin: self._outcomes[pin.project, pin.release] for pin in pins if pin not in unknown}
        return {**found, **(self._outlook.outcomes(unknown) if unknown else {})}

    def releases(self, project: str) -> Mapping[str, Outcome]:
        """Return what was, or would be, said of every release of a project."""
        said = {release: outcome for (name, release), outcome in self._outcomes.items() if name == project}
        return {**self._outlook.releases(project), **said}


def suggest(solve: Solve, outlook: Outlook, judged: Judged) -> Alternative | None:
    """Return the alternative, or nothing if none is better than the closure itself."""
    avoidable = judged.avoidable
    if not avoidable:
        return None
    knowing = _Knowing(outlook, judged)
    closure = judged.closure
    present = Answer([], {Pin(*name, ()): judged.outcomes[name] for name in avoidable.items()})
    preferred = {one.project: (one.release,) for one in closure.artifacts if one.project not in avoidable}
    best: tuple[Answer, tuple[str, ...]] | None = None
    for relaxed in (frozenset[str](), _leading_to(closure, avoidable)):
        wanted = _relax(closure.direct, relaxed)
        near = _nearest(closure, knowing, {*avoidable, *relaxed}, avoidable)
        try:
            found = Preferring(solve, knowing, Wish(wanted, {**preferred, **near})).best()
        except (UnresolvableError, UpstreamError):
            continue
        if found.cost < (best[0].cost if best else present.cost):
            best = found, _named(closure.direct, relaxed, found.pins)
        if best and best[0].cost == (0, 0):
            break
    return _alternative(judged, *best) if best else None


def _leading_to(closure: Closure, projects: Iterable[str]) -> frozenset[str]:
    """Return the direct requirements without which none of ``projects`` would be in the closure."""
    found, left = set[str](), list(projects)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [edge.project for edge in closure.edges if edge.needs == name]
    return frozenset(name for name in found if ("pypi", name) in closure.asked())


def _relax(direct: Iterable[str], projects: frozenset[str]) -> tuple[str, ...]:
    return tuple(_at(text, "") if _project(text) in projects else text for text in direct)


def _named(direct: Iterable[str], relaxed: frozenset[str], pins: Iterable[Pin]) -> tuple[str, ...]:
    """Return what to ask for: requirements that hold as they are, and a release where they do not."""
    chosen = {pin.project: pin.release for pin in pins}

    def fits(text: str) -> bool:
        release = chosen.get(_project(text))
        return release is None or Requirement(text).specifier.contains(release, prereleases=True)

    return tuple(
        text if _project(text) not in relaxed or fits(text) else _at(text, f"=={chosen[_project(text)]}")
        for text in direct
    )


def _project(text: str) -> str:
    return normalize_project("pypi", Requirement(text).name)


def _at(text: str, specifier: str) -> str:
    """Return a requirement with another specifier."""
    found = Requirement(text)
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    marker = f" ; {found.marker}" if found.marker else ""
    return f"{found.name}{extras}{specifier}{marker}"


def _nearest(
    closure: Closure, knowing: _Knowing, projects: Iterable[str], avoidable: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """Return the release of each project that is nearest to the one in the closure and would be allowed."""
    found = {}
    releases = {artifact.project: artifact.release for artifact in closure.artifacts}
    for project in projects:
        if project in avoidable:
            allowed = [name for name, said in knowing.releases(project).items() if said is Outcome.ALLOW]
            near = nearest(releases[project], allowed)
        else:
            near = releases.get(project)
        if near:
            found[project] = (near,)
    return found


def _alternative(judged: Judged, answer: Answer, requirements: tuple[str, ...]) -> Alternative:
    closure = judged.closure
    before = {artifact.project: artifact.release for artifact in closure.artifacts}
    after = {pin.project: pin.release for pin in answer.pins if pin.release}
    still = {**{(pin.project, pin.release): outcome for pin, outcome in answer.exceptions.items()}}
    still |= {name: Outcome.REVIEW for name in judged.fixed if after.get(name[0]) == name[1]}
    return Alternative(
        closure=closure.digest(),
        requirements=requirements,
        changes=tuple(
            Change(project=project, before=before.get(project), after=after.get(project))
            for project in sorted({*before, *after})
            if before.get(project) != after.get(project)
        ),
        review=_names(still, Outcome.REVIEW),
        deny=_names(still, Outcome.DENY),
    )


def _names(still: Mapping[Named, Outcome], outcome: Outcome) -> tuple[str, ...]:
    return tuple(sorted(f"{project} {release}" for (project, release), said in still.items() if said is outcome))
