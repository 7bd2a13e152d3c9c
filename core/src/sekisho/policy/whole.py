"""Everything visible installs: what is approved, and cannot be installed any more because something it needs is gone.

A closure was resolved for a target: as long as all that a file needs in it may be had, a resolver finds that answer
again. What needs something that is gone is looked at once more with other approved releases in its place. So a file is
only shown with a whole answer as its witness, and no resolver is asked.

Projects are nodes here, so a wheel and a package of a channel may have one name. Of a wheel its METADATA says what it
needs, of a package of a channel the record that its approval carries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from sekisho.model import Artifact, Target
from sekisho.policy.needs import PLAIN, Need, fits, needs_on, runs

ALWAYS = datetime.max.replace(tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_ROUNDS = 8

Requires = Callable[[str], tuple[str, ...] | None]
"""Returns what a file's METADATA requires, by its sha256; ``None`` where nobody read it."""


class Answer(NamedTuple):
    """A closure as it matters here: the sha256 of each node's file on a target, and who needs whom."""

    target: Target
    files: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]


class Held(NamedTuple):
    """A file that may be had, and until when."""

    artifact: Artifact
    end: datetime


class Until(NamedTuple):
    """Until when a file is whole, and the project for whose sake it is no longer."""

    end: datetime
    needs: str = ""


class Found(NamedTuple):
    """Until when files are whole, by sha256, and the projects on which that depends."""

    until: Mapping[str, Until]
    depends: frozenset[str]


_Node = tuple[str, frozenset[str]]


def whole(answer: Answer, held: Mapping[str, Held], requires: Requires) -> dict[str, Until]:
    """Return by sha256 until when each file of an answer that may be had can be installed by that very answer.

    ``held`` is what may be had, by sha256.
    """
    chosen = {project: held[sha256] for project, sha256 in answer.files.items() if sha256 in held}
    ends = {row.end for row in chosen.values()}
    if len(ends) == 1 and len(chosen) == len(answer.files):
        return {row.artifact.sha256: Until(row.end) for row in chosen.values()}
    return _ends(answer, chosen, chosen, requires)


def mend(
    answer: Answer, held: Mapping[str, Held], others: Mapping[str, list[Held]], requires: Requires, now: datetime
) -> Found:
    """Return the same with other files in place of what is gone, if some fit everybody in the answer.

    ``others`` is what may be had by project, the newest release first.
    """
    left = {
        project: held[sha256] for project, sha256 in answer.files.items() if sha256 in held and held[sha256].end > now
    }
    mended, looked = _mend(answer, left, held, others, requires, now)
    return Found(_ends(answer, mended, left, requires), looked | frozenset(answer.files))


def alone(
    answer: Answer,
    project: str,
    held: Mapping[str, Held],
    others: Mapping[str, list[Held]],
    requires: Requires,
    now: datetime,
) -> Found:
    """Return until when one file of an answer can be installed, whatever becomes of the others in it."""
    row = held[answer.files[project]]
    mended, looked = _mend(answer, {project: row}, held, others, requires, now)
    until = _ends(answer, mended, [project], requires)[row.artifact.sha256]
    return Found({row.artifact.sha256: until}, looked)


def _ends(answer: Answer, chosen: Mapping[str, Held], roots: Iterable[str], requires: Requires) -> dict[str, Until]:
    """Return until when each of the roots, and all that they need, is whole: the least end on any way down."""
    ends: dict[_Node, Until] = {}
    above: dict[_Node, list[_Node]] = {}
    for node, need in _walk(answer, chosen, roots, requires):
        held = chosen[node[0]]
        until = ends.setdefault(node, Until(held.end, node[0]))
        if need is None:
            continue
        other = chosen.get(need.project)
        if other is None and need.optional:
            continue
        if other is None:
            if need.project in answer.files or not _is_original(answer, node[0], held):
                until = Until(NEVER, need.project)
        elif not _satisfied(answer, need, held, other, node[0]):
            until = Until(NEVER, need.project)
        elif not need.optional:
            above.setdefault((need.project, need.extras), []).append(node)
        ends[node] = until
    _spread(ends, above)
    return {chosen[project].artifact.sha256: until for (project, extras), until in ends.items() if not extras}


def _walk(
    answer: Answer, chosen: Mapping[str, Held], roots: Iterable[str], requires: Requires
) -> Iterator[tuple[_Node, Need | None]]:
    """Yield every chosen file that the roots need, with each extra that is asked of it, and each of its needs.

    A node comes first without a need, and the plain file with every extra of it.
    """
    left: list[_Node] = [(project, PLAIN) for project in roots]
    seen: set[_Node] = set()
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node, None
        for need in _needs(answer, node, chosen[node[0]].artifact, requires):
            if need.project in chosen and not need.optional:
                left += [(need.project, need.extras), (need.project, PLAIN)]
            yield node, need


def _spread(ends: dict[_Node, Until], above: Mapping[_Node, list[_Node]]) -> None:
    """Let each end reach whoever needs what ends, the earliest first: then none has to be looked at twice."""
    queue = [(until.end, node[0], sorted(node[1])) for node, until in ends.items() if until.end < ALWAYS]
    heapify(queue)
    while queue:
        end, project, extras = heappop(queue)
        node = project, frozenset(extras)
        if ends[node].end < end:
            continue
        for needer in above.get(node, ()):
            if ends[needer].end > end:
                ends[needer] = Until(end, project)
                heappush(queue, (end, needer[0], sorted(needer[1])))


def _mend(
    answer: Answer,
    start: Mapping[str, Held],
    held: Mapping[str, Held],
    others: Mapping[str, list[Held]],
    requires: Requires,
    now: datetime,
) -> tuple[dict[str, Held], frozenset[str]]:
    """Return an answer for what is in ``start``, with other releases in place of what is gone, as far as any fit.

    It takes the first that fits all, and goes back on nothing but that: who lives by it looks at the outcome. Beside
    it are the projects that were looked at.
    """
    mended, looked = dict(start), set(start)
    for _ in range(_MOST_ROUNDS):
        wanted: dict[str, list[Need]] = {}
        for _node, need in _walk(answer, mended, start, requires):
            if need is not None:
                wanted.setdefault(need.project, []).append(need)
        looked.update(wanted)
        changed = False
        for project, needs in wanted.items():
            present = mended.get(project)
            if present is None and all(need.optional for need in needs):
                continue
            if present and all(fits(need, present.artifact) for need in needs):
                continue
            for row in _candidates(answer, project, held, others, now):
                if row != present and all(fits(need, row.artifact) for need in needs):
                    mended[project] = row
                    changed = True
                    break
        if not changed:
            break
    return mended, frozenset(looked)


def _candidates(
    answer: Answer, project: str, held: Mapping[str, Held], others: Mapping[str, list[Held]], now: datetime
) -> Iterator[Held]:
    """Yield what may stand for a project: the answer's own file first, then others that run on the target."""
    own = held.get(answer.files.get(project, ""))
    if own and own.end > now:
        yield own
    for row in others.get(project, ()):
        if row is not own and row.end > now and runs(row.artifact, answer.target):
            yield row


def _is_original(answer: Answer, project: str, held: Held) -> bool:
    return answer.files.get(project) == held.artifact.sha256


def _satisfied(answer: Answer, need: Need, needer: Held, other: Held, project: str) -> bool:
    """Tell whether one chosen file meets another's need; a resolver has seen to that where neither was exchanged."""
    original = _is_original(answer, project, needer) and _is_original(answer, need.project, other)
    return (original and other.artifact.yanked is None) or fits(need, other.artifact)


def _needs(answer: Answer, node: _Node, artifact: Artifact, requires: Requires) -> tuple[Need, ...]:
    stated = requires(artifact.sha256) if artifact.kind != "conda" else None
    return needs_on(answer.target, artifact, node[1], stated, answer.needs.get(node[0], ()))
