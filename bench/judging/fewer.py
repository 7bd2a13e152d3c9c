"""The figure "fewer new things": files that nobody has approved yet, asked for by people, beside plain uv.

An allowlist holds what some requests needed a while ago. Then others ask, for other work. Both resolvers answer each of
them from the same tape, in the same run: uv as it is, and ours, which is uv too, but prefers.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from bench.judging.corpus import shipped_policy
from bench.judging.tape import Tape
from bench.judging.wanted import EARLIER, NOW
from bench.place import MeasureError, Place
from bench.rows import TIMES, Row
from sekisho.errors import UnresolvableError, UpstreamError
from sekisho.model import Artifact, Closure, Newest, Outcome, Request, Target
from sekisho.policy import Knowledge, Policy
from sekisho.policy.judge import Foresight, foresee
from sekisho.policy.knowledge import Published
from sekisho_builder.offers import Offers
from sekisho_builder.resolve import resolve

_TARGET = Target(python="3.11.9", glibc="2.36")
_AGO = timedelta(days=90)
_FORM = 1
_MOST_ROUNDS = 4


class Played:
    """The proxy as a resolver sees it, over a tape."""

    ca: Path | None = None

    def __init__(self, tape: Tape, url: str) -> None:
        self._tape = tape
        self.url = url

    def answers(self) -> None:
        """Be there."""

    def index_url(self, sources_for: Target | None = None) -> str:  # noqa: ARG002 (no source is taken)
        """Return where the pages are."""
        return f"{self.url}/simple/"

    def artifacts(self, project: str, release: str | None = None) -> tuple[Artifact, ...]:
        """Return the files of a release, or of all."""
        return tuple(self._tape.listing(project).artifacts(release))

    def with_metadata(self, artifact: Artifact) -> Artifact:
        """Return the file as it is: nobody will inspect it."""
        return artifact


class People:
    """Who ask, and what they are answered."""

    def __init__(self, tape: Tape, url: str, policy: Policy) -> None:
        self._proxy = Played(tape, url)
        self._policy = policy
        self.now = tape.taken

    def ask(
        self, requirements: Sequence[str], *, before: datetime | None = None, known: Iterable[Artifact] | None = None
    ) -> Closure | None:
        """Return the closure, or nothing if there is none; without ``known`` by plain uv."""
        request = Request(
            requester="bench", requirements=tuple(requirements), target=_TARGET, at=self.now,
            resolve_before=before or self.now,
        )  # fmt: skip
        offers = None
        if known is not None:
            approved = {artifact.sha256: artifact for artifact in known}
            rate = partial(self._rate, request, approved)
            offers = Offers(request, self._proxy, approved.values(), rate)
        try:
            return resolve(request, self._proxy, lambda *_: None, offers=offers)
        except UnresolvableError:
            return None

    def _rate(
        self,
        request: Request,
        approved: Mapping[str, Artifact],
        files: Sequence[Artifact],
        newest: Mapping[str, Newest],
    ) -> Mapping[str, Outcome]:
        foresight = self._foresight(request, approved.values(), newest)
        found = (foresight.verdict(file, None, approved=approved.keys(), ended={}) for file in files)
        return {verdict.sha256: verdict.outcome for verdict in found}

    def _foresight(self, request: Request, approved: Iterable[Artifact], newest: Mapping[str, Newest]) -> Foresight:
        releases: dict[tuple[str, str], frozenset[str]] = {}
        for one in approved:
            releases[one.kind, one.project] = releases.get((one.kind, one.project), frozenset()) | {one.release}
        known = Knowledge(
            approved=releases,
            direct=request.asked(),
            newest={("pypi", project): Published(row.release, row.uploaded) for project, row in newest.items()},
        )
        return foresee(self._policy, known, self.now)


def without_advisories() -> Policy:
    """Return the shipped policy as a site without advisories has it: those of a test are of another day."""
    return Policy.model_validate({**shipped_policy().model_dump(), "feeds": {"osv": "absent"}})


def compare(
    people: People, earlier: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]], ago: datetime
) -> list[Row]:
    """Fill an allowlist with what ``earlier`` needed ``ago``, then have both answer ``now``."""
    known: dict[str, Artifact] = {}
    for name, wanted in earlier.items():
        closure = people.ask(wanted, before=ago)
        if closure is None:
            raise MeasureError(f"{name} could not be resolved as of {ago:%Y-%m-%d}")
        known |= {artifact.sha256: artifact for artifact in closure.artifacts}
    pairs: list[tuple[Closure, Closure]] = []
    lost, seconds = [], [0.0, 0.0]
    for name, wanted in now.items():
        began = time.monotonic()
        theirs = people.ask(wanted)
        between = time.monotonic()
        mine = people.ask(wanted, known=known.values())
        seconds = [seconds[0] + between - began, seconds[1] + time.monotonic() - between]
        if theirs and mine:
            pairs.append((theirs, mine))
        elif theirs:
            lost.append(name)
    plain, ours = (sum(_new(pair[who], known) for pair in pairs) for who in (0, 1))
    young = [sum(_young(pair[who], people.now) for pair in pairs) for who in (0, 1)]
    note = (
        f"{len(pairs) + len(lost)} of {len(now)} requirement sets that uv satisfies, {len(known):,} files approved:"
        f" what {len(earlier)} other sets needed on {ago:%Y-%m-%d}"
    )
    return [
        Row("new files asked for", ours, "files", None, "lower", {"uv": plain}, note=note),
        Row("new files asked for, of those of plain uv", ours / plain if plain else None, TIMES, 0.7, "lower"),
        Row("requests that uv satisfies and we do not", len(lost), "requests", 0, "lower", note=", ".join(lost)),
        Row("files younger than a week asked for", young[1], "files", None, "lower", {"uv": young[0]}),
        Row("resolving all of it", seconds[1], "s", None, "lower", {"uv": seconds[0]}),
    ]


def _new(closure: Closure, known: Mapping[str, Artifact]) -> int:
    return sum(artifact.sha256 not in known for artifact in closure.artifacts)


def _young(closure: Closure, now: datetime) -> int:
    limit = now - timedelta(days=7)
    return sum(artifact.uploaded is not None and artifact.uploaded > limit for artifact in closure.artifacts)


def measure_fewer(place: Place | None = None, say: Callable[[str], None] = print) -> list[Row]:
    """Take the figure from the tape alone; what it lacks is recorded first."""
    tape = Tape((place or Place()).cache / f"{_FORM}-fewer")
    with tape.playing() as url:
        people = People(tape, url, without_advisories())
        for number in range(_MOST_ROUNDS):
            if number or tape.is_empty:
                say("asking PyPI once for what resolvers ask; it is kept in the user's cache")
                tape.live = True
                compare(people, EARLIER, NOW, tape.taken - _AGO)
            tape.live, tape.missed = False, set()
            try:
                rows = compare(people, EARLIER, NOW, tape.taken - _AGO)
            except UpstreamError:
                if not tape.missed:
                    raise
            else:
                if not tape.missed:
                    return rows
    raise MeasureError(f"the tape lacks {len(tape.missed)} things, as {min(tape.missed)}")
