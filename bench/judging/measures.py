"""The figures: how fast artifacts are judged, and how fast an advisory leads to images."""

import gc
import random
import time
from collections import Counter
from collections.abc import Callable

from bench.judging.corpus import NOW, Corpus, load_data, make_corpus, shipped_policy
from bench.judging.fewer import measure_fewer
from bench.place import MeasureError
from bench.rows import Row
from sekisho.advisories import AdvisoryIndex
from sekisho.model import Approval
from sekisho.policy import Knowledge, Policy
from sekisho.policy.judge import prepare, weigh
from sekisho.policy.rejudge import Held, Uses, impact, rejudge, worse

_LOCKS, _PACKAGES = 10_000, 250
_PROJECT = "django"
"""Every lock below holds one release of it; the advisory that concerns most of these is asked about."""


def _cpu(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that ``work`` takes; the machine may be busy with something else."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def measure_evaluation(corpus: Corpus) -> list[Row]:
    """Judge every artifact with the shipped policy: once with nothing remembered, then again, then with a condition."""
    policy = shipped_policy()
    fresh = AdvisoryIndex.load(corpus.advisories.dump(), where="corpus")
    cold = _rate(corpus, policy, fresh)
    warm = max(_rate(corpus, policy, fresh) for _ in range(3))
    first = policy.rules[-1].model_copy(update={"when": "size > 1000 && !(project in ['numpy'])"})
    conditional = _rate(corpus, policy.model_copy(update={"rules": (*policy.rules[:-1], first)}), fresh)
    count = f"{len(corpus.artifacts):,} artifacts, {len(policy.rules)} rules, processor time"
    return [
        Row("evaluation, without CEL", warm, "artifacts/s", 50_000, "higher", note=count),
        Row("evaluation, the very first", cold, "artifacts/s", None, "higher"),
        Row("evaluation, one CEL condition", conditional, "artifacts/s", None, "higher"),
    ]


def _rate(corpus: Corpus, policy: Policy, advisories: AdvisoryIndex) -> float:
    known = Knowledge(advisories=advisories, names=corpus.known.names)

    def work() -> None:
        bench = prepare(policy, known, NOW)
        for artifact in corpus.artifacts:
            weigh(bench, artifact, corpus.facts[artifact.sha256], approved=frozenset(), ended={})

    return len(corpus.artifacts) / _cpu(work)


def measure_rejudging(corpus: Corpus) -> list[Row]:
    """Judge everything in 10,000 locks of 250 packages again, and ask who has what one advisory concerns."""
    uses, built = _uses(corpus)
    policy = shipped_policy()
    nothing = AdvisoryIndex((), {}, {}, covers=frozenset({"pypi"}), feeds=corpus.advisories.feeds)
    before = prepare(policy, Knowledge(advisories=nothing, names=corpus.known.names), NOW)
    named = Counter(
        hit.advisory.id
        for one in corpus.artifacts
        if one.project == _PROJECT
        for hit in corpus.advisories.affecting("pypi", _PROJECT, one.release)
    )
    target = max(named, key=lambda name: (named[name], name))
    old = {
        sha256: verdict.outcome for sha256, verdict in rejudge(before, uses.artifacts.values(), corpus.facts).items()
    }
    found: list[int] = []

    def again() -> None:
        after = prepare(policy, corpus.known, NOW)
        graver = worse(old, rejudge(after, uses.artifacts.values(), corpus.facts))
        found.append(len({lock for verdict in graver for lock in impact(verdict, uses, after).locks}))

    def who() -> None:
        bench = prepare(policy, corpus.known, NOW)
        images: set[str] = set()
        for artifact, _ in uses.concerned(target, corpus.advisories):
            verdict = weigh(bench, artifact, corpus.facts[artifact.sha256], approved=frozenset(), ended={})
            images.update(impact(verdict, uses, bench).images)
        found.append(len(images))

    rejudged, asked = _cpu(again), _cpu(who)
    if not found[1]:
        raise MeasureError(f"no image holds what {target} concerns, so nothing was measured")
    held = f"{len(uses.artifacts):,} distinct artifacts, {_LOCKS:,} locks of {_PACKAGES}"
    return [
        Row(
            "re-judging everything approved", rejudged, "s", 1.0, "lower", note=f"{held}; {found[0]:,} locks concerned"
        ),
        Row("an advisory to its images", asked, "s", 1.0, "lower", note=f"{target}: {found[1]:,} images"),
        Row("index of all locks, once", built, "s", None, "lower"),
    ]


def _uses(corpus: Corpus) -> tuple[Uses, float]:
    chance = random.Random(1)  # noqa: S311 (the same locks every time)
    uses = Uses()
    common = [one for one in corpus.artifacts if one.project == _PROJECT]
    for number, artifact in enumerate(corpus.artifacts):
        uses.approve(_approval(f"a{number}", artifact))
    hashes = [one.sha256 for one in corpus.artifacts]
    locks = [[*chance.sample(hashes, _PACKAGES - 1), chance.choice(common).sha256] for _ in range(_LOCKS)]

    def work() -> None:
        for number, lock in enumerate(locks):
            uses.hold(Held(f"lock-{number}", f"team-{number % 50}", (f"registry/image-{number}",)), lock)

    return uses, _cpu(work)


def _approval(name: str, artifact: object) -> Approval:
    return Approval.model_validate(
        {
            "id": name, "request": "r1", "closure": "0" * 64, "policy": "0" * 64, "requested_by": "a",
            "approved_by": "b", "scope": ("everyone",), "at": NOW, "artifacts": (artifact,),
        }
    )  # fmt: skip


def measure_advisories() -> list[Row]:
    """Import the real file, keep it, load it, and ask it."""
    imported = load_data()
    read = _cpu(load_data)
    data = imported.advisories.dump()
    load = _cpu(lambda: AdvisoryIndex.load(data, where="index"))
    index = AdvisoryIndex.load(data, where="index")
    asked = [
        (project, f"{major}.{minor}") for _, project in index.projects() for major in range(3) for minor in range(5)
    ]
    first = _cpu(lambda: [index.affecting("pypi", project, release) for project, release in asked])
    again = _cpu(lambda: [index.affecting("pypi", project, release) for project, release in asked])
    return [
        Row(
            "import of OSV's file",
            imported.records / read,
            "records/s",
            None,
            "higher",
            note=f"{imported.records:,} records",
        ),
        Row("index loaded by another process", load, "s", None, "lower", note=f"{len(data):,} bytes"),
        Row(
            "look-up, first",
            first / len(asked) * 1e6,
            "µs",
            None,
            "lower",
            note="the preparation of each project included",
        ),
        Row("look-up, remembered", again / len(asked) * 1e6, "µs", None, "lower"),
    ]


def measure_all() -> list[tuple[str, Callable[[], list[Row]]]]:
    """Return every measurement by name; the corpus is made once."""
    made: list[Corpus] = []

    def corpus() -> Corpus:
        if not made:
            made.append(make_corpus(load_data(), releases=4))
        return made[0]

    return [
        ("evaluation", lambda: measure_evaluation(corpus())),
        ("re-judging", lambda: measure_rejudging(corpus())),
        ("advisories", measure_advisories),
        ("fewer new things", measure_fewer),
    ]
