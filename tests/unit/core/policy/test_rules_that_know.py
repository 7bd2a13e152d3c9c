"""Rules that need more than the artifact and its facts: each answers when it applies, and only then."""

from datetime import datetime, timedelta

import pytest

from sekisho.advisories.exploited import Exploitation
from sekisho.model import Outcome
from sekisho.policy.distance import Names
from sekisho.policy.knowledge import Knowledge, Published, Status
from sekisho.policy.rules import Case
from sekisho.vex import Excuses
from tests.advisories import CRITICAL, MEDIUM, index, osv
from tests.records import NOW, artifact, facts, package, policy, statement

NUMPY = artifact()
CONDA = artifact(kind="conda", project="numpy", filename="numpy-2.1.0-py311_0.conda")
MODEL = artifact(kind="huggingface", project="org/model", release="main", filename="model.safetensors")
DENY, REVIEW, ALLOW = Outcome.DENY, Outcome.REVIEW, Outcome.ALLOW
SUBJECT = ("pypi", "numpy")

GRAVE = index(osv(vector=CRITICAL, events=[{"introduced": "0"}, {"fixed": "2.1.1"}]))
MILD = index(osv(vector=MEDIUM))
UNKNOWN = index(osv())
CLEAN = index()
EXPLOITED = index(osv(vector=MEDIUM, aliases=["CVE-2026-9"]), said=Exploitation(known=frozenset({"CVE-2026-9"})))
LIKELY = index(osv(vector=MEDIUM, aliases=["CVE-2026-9"]), said=Exploitation(likely={"CVE-2026-9": 60_000}))
VAGUE = index(osv(vector=CRITICAL, affected={"ranges": []}))
MALICIOUS = index(osv("MAL-2026-1", versions=["2.1.0"]))
OF_OLD = index(osv(vector=CRITICAL, versions=["2.0.0"]))
NAMES_FILE = index(
    osv(
        "MAL-2026-1",
        "other",
        affected={"database_specific": {"indicators": [{"package_integrity": {"sha256": NUMPY.sha256}}]}},
    )
)

ADVISORY = {"check": "advisory", "severity": 7.0, "then": "deny"}
VEX = ADVISORY | {"unless": "vex"}
AGE = {"check": "release_age", "days": 7, "then": "deny"}
YOUNG = artifact(uploaded=NOW - timedelta(days=2))
YOUNG_CONDA = artifact(
    kind="conda", project="numpy-base", filename="numpy-base-2.1.0-py311_0.conda", uploaded=NOW - timedelta(days=2)
)
HOLDER = ("conda", "numpy-base")
NO_TIME = artifact(uploaded=None)
FUTURE = artifact(uploaded=NOW + timedelta(days=2))
PUBLISHERS = [{"project": "numpy", "publisher": "GitHub", "repository": "numpy/numpy", "workflow": "wheels.yml"}]
PROVENANCE = {"check": "provenance", "publishers": PUBLISHERS}
SIGNED = {"publisher": "GitHub", "repository": "numpy/numpy", "workflow": "wheels.yml"}


def _seen(days):
    return Knowledge(first_seen={NUMPY.sha256: NOW - timedelta(days=days)})


def _excused(**more):
    return Knowledge(advisories=GRAVE, excuses=Excuses([statement(advisory="GHSA-aaaa-bbbb-cccc", **more)]))


def _attested(**more):
    return {"attestations": ({**SIGNED, **more},)}


def _scanned(*codes, scanner="guarddog"):
    return {"scans": ({"scanner": scanner, "findings": codes},)}


def _holds(project, release):
    return {"contains": ({"project": project, "release": release},)}


def _direct(**more):
    return Knowledge(direct=frozenset({SUBJECT}), **more)


CONDA_FLOOR = {"check": "floor", "kind": "conda", "floors": ["numpy>=2.1.1rc1"]}
BROKEN = {"findings": ({"code": "unverified_provenance", "detail": "it is about another file"},)}
LAST = Knowledge(published={SUBJECT: frozenset({"GitHub numpy/numpy wheels.yml"})})
NEWEST = {SUBJECT: Published("9.0", datetime(2026, 1, 1, tzinfo=NOW.tzinfo))}
OLD = artifact(release="1.0", uploaded=datetime(2019, 1, 1, tzinfo=NOW.tzinfo))

# rule, artifact, more facts, what is known, the outcome or nothing
CASES = {
    "malicious release": ({"check": "malicious"}, NUMPY, {}, Knowledge(advisories=MALICIOUS), DENY),
    "other release": ({"check": "malicious"}, artifact(release="2.0.0"), {}, Knowledge(advisories=MALICIOUS), None),
    "malicious file under another name": ({"check": "malicious"}, NUMPY, {}, Knowledge(advisories=NAMES_FILE), DENY),
    "only weak": ({"check": "malicious"}, NUMPY, {}, Knowledge(advisories=GRAVE), None),
    "no data on a channel": ({"check": "malicious"}, CONDA, {}, Knowledge(advisories=CLEAN), REVIEW),
    "no data at all": ({"check": "malicious"}, NUMPY, {}, Knowledge(), REVIEW),
    "grave": (ADVISORY, NUMPY, {}, Knowledge(advisories=GRAVE), DENY),
    "grave and mended": (ADVISORY, artifact(release="2.1.1"), {}, Knowledge(advisories=GRAVE), None),
    "below the threshold": (ADVISORY, NUMPY, {}, Knowledge(advisories=MILD), None),
    "at the threshold": (ADVISORY | {"severity": 6.1}, NUMPY, {}, Knowledge(advisories=MILD), DENY),
    "severity unknown": (ADVISORY, NUMPY, {}, Knowledge(advisories=UNKNOWN), REVIEW),
    "severity unknown and nobody minds": (ADVISORY | {"then": "allow"}, NUMPY, {}, Knowledge(advisories=UNKNOWN), ALLOW),
    "may be concerned": (ADVISORY, NUMPY, {}, Knowledge(advisories=VAGUE), REVIEW),
    "no advisory": (ADVISORY, NUMPY, {}, Knowledge(advisories=CLEAN), None),
    "a channel is unknown, not clean": (ADVISORY, CONDA, {}, Knowledge(advisories=CLEAN), REVIEW),
    "a hub is unknown, not clean": (ADVISORY, MODEL, {}, Knowledge(advisories=CLEAN), REVIEW),
    "a channel by another name": (ADVISORY, CONDA, {}, Knowledge(advisories=GRAVE.named({CONDA.project: ("six", "numpy")})), DENY),
    "a channel by a name without advisories": (ADVISORY, CONDA, {}, Knowledge(advisories=CLEAN.named({CONDA.project: ("numpy",)})), None),
    "a package that holds what is concerned": (ADVISORY, CONDA, _holds("numpy", "2.1.0"), Knowledge(advisories=GRAVE), DENY),
    "a package that holds another release than its own": (ADVISORY, CONDA, _holds("numpy", "2.1.1"), Knowledge(advisories=GRAVE), None),
    "a package that holds something else, too": (ADVISORY, CONDA, _holds("six", "1.0"), Knowledge(advisories=GRAVE.named({CONDA.project: ("numpy",)})), DENY),
    "a package that holds what nothing is known against": (ADVISORY, CONDA, _holds("six", "1.0"), Knowledge(advisories=GRAVE), None),
    "a package that holds malicious code": ({"check": "malicious"}, CONDA, _holds("numpy", "2.1.0"), Knowledge(advisories=MALICIOUS), DENY),
    "a package that holds what is excused": (VEX, CONDA, _holds("numpy", "2.1.0"), _excused(kind="conda"), ALLOW),
    "a package that holds what is excused in the index": (VEX, CONDA, _holds("numpy", "2.1.0"), _excused(), DENY),
    "a package below its floor": (CONDA_FLOOR, CONDA, {}, Knowledge(direct=frozenset({("conda", "numpy")})), REVIEW),
    "a package on its floor": (CONDA_FLOOR | {"floors": ["numpy>=2.1.0.0"]}, CONDA, {}, Knowledge(direct=frozenset({("conda", "numpy")})), None),
    "a package with a name of an approved one": ({"check": "name_distance", "kind": "conda"}, package("nunpy"), {}, Knowledge(names={"conda": Names(["numpy"])}), REVIEW),
    "exploited": (ADVISORY | {"kev": True}, NUMPY, {}, Knowledge(advisories=EXPLOITED), DENY),
    "exploited and not asked": (ADVISORY, NUMPY, {}, Knowledge(advisories=EXPLOITED), None),
    "likely": (ADVISORY | {"epss": 0.5}, NUMPY, {}, Knowledge(advisories=LIKELY), DENY),
    "less likely": (ADVISORY | {"epss": 0.7}, NUMPY, {}, Knowledge(advisories=LIKELY), None),
    "malicious code is grave, too": (ADVISORY, NUMPY, {}, Knowledge(advisories=MALICIOUS), DENY),
    "excused": (VEX, NUMPY, {}, _excused(), ALLOW),
    "excused, but the rule does not heed it": (ADVISORY, NUMPY, {}, _excused(), DENY),
    "excused for another release": (VEX, NUMPY, {}, _excused(releases=("2.0.9",)), DENY),
    "excused elsewhere": (VEX, NUMPY, {}, _excused(scope=("team-a",)), DENY),
    "excused until yesterday": (VEX, NUMPY, {}, _excused(expires=NOW - timedelta(days=1)), DENY),
    "malicious code is not excused": (VEX, NUMPY, {}, Knowledge(advisories=MALICIOUS, excuses=Excuses([statement(advisory="MAL-2026-1")])), DENY),
    "young": (AGE, YOUNG, {}, Knowledge(), DENY),
    "young, but seen long ago": (AGE, YOUNG, {}, _seen(30), None),
    "old, and seen today": (AGE, NUMPY, {}, _seen(0), None),
    "old, seen today, and only our clock counts": (AGE | {"clock": "first-seen"}, NUMPY, {}, _seen(0), DENY),
    "old, never seen, and only our clock counts": (AGE | {"clock": "first-seen"}, NUMPY, {}, Knowledge(), DENY),
    "no time, and seen long ago": (AGE, NO_TIME, {}, _seen(8), None),
    "no time, and seen lately": (AGE, NO_TIME, {}, _seen(6), DENY),
    "no time, never seen": (AGE, NO_TIME, {}, Knowledge(), DENY),
    "time in the future, and seen long ago": (AGE, FUTURE, {}, _seen(8), None),
    "time in the future": (AGE, FUTURE, {}, Knowledge(), DENY),
    "seen in the future: a clock was set back": (AGE, NO_TIME, {}, _seen(-3), DENY),
    "young, and mends what is approved": (AGE, YOUNG, {}, Knowledge(advisories=OF_OLD, approved={SUBJECT: frozenset({"2.0.0"})}), REVIEW),
    "young, and mends nothing": (AGE, YOUNG, {}, Knowledge(advisories=GRAVE, approved={SUBJECT: frozenset({"2.0.0"})}), DENY),
    "a channel's, young, and mends by name": (AGE, YOUNG_CONDA, {}, Knowledge(advisories=OF_OLD.named({"numpy-base": ("numpy",)}), approved={HOLDER: frozenset({"2.0.0"})}), REVIEW),
    "a channel's, young, and mends by what it holds": (AGE, YOUNG_CONDA, _holds("numpy", "2.1.0"), Knowledge(advisories=OF_OLD, approved={HOLDER: frozenset({"2.0.0"})}), REVIEW),
    "a channel's, young, and holds something else": (AGE, YOUNG_CONDA, _holds("six", "2.1.0"), Knowledge(advisories=OF_OLD.named({"numpy-base": ("numpy",)}), approved={HOLDER: frozenset({"2.0.0"})}), DENY),
    "a channel's, young, and holds it in another release": (AGE, YOUNG_CONDA, _holds("numpy", "9"), Knowledge(advisories=OF_OLD, approved={HOLDER: frozenset({"2.0.0"})}), DENY),
    "a channel's, young, and nobody knows what it holds": (AGE, YOUNG_CONDA, {}, Knowledge(advisories=OF_OLD, approved={HOLDER: frozenset({"2.0.0"})}), DENY),
    "a channel's, young, and mends an approved wheel": (AGE, YOUNG_CONDA, _holds("numpy", "2.1.0"), Knowledge(advisories=OF_OLD, approved={SUBJECT: frozenset({"2.0.0"})}), REVIEW),
    "young, and mends an approved package of a channel": (AGE, YOUNG, {}, Knowledge(advisories=OF_OLD.named({"numpy-base": ("numpy",)}), approved={HOLDER: frozenset({"2.0.0"})}), REVIEW),
    "young, and a channel's package of its name is another": (AGE, YOUNG, {}, Knowledge(advisories=OF_OLD, approved={("conda", "numpy"): frozenset({"2.0.0"})}), DENY),
    "malicious, of a channel, by name": ({"check": "malicious"}, YOUNG_CONDA, {}, Knowledge(advisories=MALICIOUS.named({"numpy-base": ("numpy", "six")}).reports()), DENY),
    "of a channel, and nobody knows what it is": ({"check": "malicious"}, YOUNG_CONDA, {}, Knowledge(advisories=MALICIOUS.named({"other": ("numpy",)}).reports()), REVIEW),
    "imitates a protected name": ({"check": "name_distance", "protect": ["numpy"]}, artifact("numpyy"), {}, Knowledge(), REVIEW),
    "imitates an approved name": ({"check": "name_distance"}, artifact("numpyy"), {}, Knowledge(names={"pypi": Names(["numpy"])}), REVIEW),
    "imitates a name of another kind of source": ({"check": "name_distance"}, artifact("numpyy"), {}, Knowledge(names={"conda": Names(["numpy"])}), None),
    "is the name": ({"check": "name_distance", "protect": ["numpy"]}, NUMPY, {}, Knowledge(), None),
    "imitates, and is approved": ({"check": "name_distance", "protect": ["numpy"]}, artifact("numpyy"), {}, Knowledge(approved={("pypi", "numpyy"): frozenset({"1"})}), None),
    "another kind of source": ({"check": "name_distance", "protect": ["org/models"]}, MODEL, {}, Knowledge(), None),
    "archived": ({"check": "project_status", "statuses": ["archived"]}, NUMPY, {}, Knowledge(statuses={SUBJECT: Status("archived", "gone")}), REVIEW),
    "another status": ({"check": "project_status", "statuses": ["archived"]}, NUMPY, {}, Knowledge(statuses={SUBJECT: Status("quarantined")}), None),
    "archived when it was resolved": ({"check": "project_status", "statuses": ["archived"]}, artifact(index={"project-status": "archived"}), {}, Knowledge(), REVIEW),
    "archived when it was resolved, and active again": ({"check": "project_status", "statuses": ["archived"]}, artifact(index={"project-status": "archived"}), {}, Knowledge(statuses={SUBJECT: Status("active")}), None),
    "no status": ({"check": "project_status", "statuses": ["archived"]}, NUMPY, {}, Knowledge(), None),
    "published by whom it should": (PROVENANCE, NUMPY, _attested(), Knowledge(), ALLOW),
    "published by another repository": (PROVENANCE, NUMPY, _attested(repository="evil/numpy"), Knowledge(), REVIEW),
    "published by another workflow": (PROVENANCE, NUMPY, _attested(workflow="test.yml"), Knowledge(), REVIEW),
    "published by another kind of identity": (PROVENANCE, NUMPY, _attested(publisher="GitLab"), Knowledge(), REVIEW),
    "not attested": (PROVENANCE, NUMPY, {}, Knowledge(), REVIEW),
    "an attestation that does not hold": ({"check": "provenance", "then": "deny"}, NUMPY, BROKEN, Knowledge(), DENY),
    "one that holds, and one that does not": (PROVENANCE, NUMPY, {**_attested(), **BROKEN}, Knowledge(), REVIEW),
    "does not hold, but nobody asks": ({"check": "provenance", "about": ["changed"]}, NUMPY, BROKEN, Knowledge(), None),
    "published by somebody else than last time": ({"check": "provenance"}, NUMPY, _attested(repository="evil/numpy"), LAST, REVIEW),
    "published by nobody, unlike last time": ({"check": "provenance"}, NUMPY, {}, LAST, REVIEW),
    "published by the same as last time": ({"check": "provenance"}, NUMPY, _attested(), LAST, None),
    "published by somebody for the first time": ({"check": "provenance"}, NUMPY, _attested(), Knowledge(), None),
    "by somebody else, but nobody asks": ({"check": "provenance", "about": ["broken"]}, NUMPY, {}, LAST, None),
    "named, and another than last time": (PROVENANCE, NUMPY, _attested(), Knowledge(published={SUBJECT: frozenset({"GitHub old/numpy"})}), ALLOW),
    "of no concern": (PROVENANCE, artifact("six"), _attested(), Knowledge(), None),
    "below the floor": ({"check": "floor", "floors": ["numpy>=2.2"]}, NUMPY, {}, _direct(), REVIEW),
    "on the floor": ({"check": "floor", "floors": ["numpy>=2.1"]}, NUMPY, {}, _direct(), None),
    "a release that cannot be compared": ({"check": "floor", "floors": ["numpy>=2.1"]}, artifact(release="nightly"), {}, _direct(), REVIEW),
    "below the floor, but not asked for": ({"check": "floor", "floors": ["numpy>=2.2"]}, NUMPY, {}, Knowledge(), None),
    "gone back by years": ({"check": "floor", "behind_days": 730}, OLD, {}, _direct(newest=NEWEST), REVIEW),
    "gone back a little": ({"check": "floor", "behind_days": 730}, artifact(uploaded=datetime(2025, 1, 1, tzinfo=NOW.tzinfo)), {}, _direct(newest=NEWEST), None),
    "gone back, and nobody knows how far": ({"check": "floor", "behind_days": 730}, OLD, {}, _direct(), None),
    "noticed since the last approved": ({"check": "scanner"}, NUMPY, _scanned("exec", "net"), Knowledge(scanned={SUBJECT: {"guarddog": frozenset({"net"})}}), REVIEW),
    "noticed before": ({"check": "scanner"}, NUMPY, _scanned("net"), Knowledge(scanned={SUBJECT: {"guarddog": frozenset({"net"})}}), None),
    "noticed, and nothing approved before": ({"check": "scanner"}, NUMPY, _scanned("net"), Knowledge(), None),
    "noticed, and first ones are looked at": ({"check": "scanner", "first": "review"}, NUMPY, _scanned("net"), Knowledge(), REVIEW),
    "noticed by another scanner": ({"check": "scanner", "first": "review"}, NUMPY, _scanned("net", scanner="bandit"), Knowledge(), None),
    "the scanner failed": ({"check": "scanner", "first": "review"}, NUMPY, {"scans": ({"scanner": "guarddog", "problem": "it took too long"},)}, Knowledge(), ALLOW),
    "not scanned": ({"check": "scanner", "first": "review"}, NUMPY, {}, Knowledge(), None),
}  # fmt: skip


def _look(rule, subject, more, known):
    (parsed,) = policy({"id": "the-rule", **rule}).rules
    return parsed.ready()(Case(subject, facts(subject, **more), NOW, known))


@pytest.mark.parametrize("name", CASES)
def test_a_rule_answers_when_it_applies_and_only_then(name):
    rule, subject, more, known, outcome = CASES[name]
    reason = _look(rule, subject, more, known)
    assert (reason and reason.outcome) == outcome
    assert reason is None or (reason.rule == "the-rule" and reason.evidence)


def _says(name):
    rule, subject, more, known, _ = CASES[name]
    return _look(rule, subject, more, known).evidence


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grave", "GHSA-aaaa-bbbb-cccc (9.8; fixed in 2.1.1)"),
        ("exploited", "CVE-2026-9 (6.1; exploited; no fix named)"),
        ("severity unknown", "of unknown severity: GHSA-aaaa-bbbb-cccc"),
        ("a channel is unknown, not clean", "no advisory data covers numpy, which holds no project of an index that is known"),
        ("excused", "does not matter (v-1: vulnerable_code_not_present)"),
        ("young, and mends what is approved", "uploaded 2 days ago, less than 7, but it mends GHSA-aaaa-bbbb-cccc of the approved 2.0.0"),
        ("young, and mends an approved package of a channel", "but it mends GHSA-aaaa-bbbb-cccc of the approved conda:numpy-base 2.0.0"),
        ("no time, and seen lately", "first seen 6 days ago"),
        ("imitates a protected name", "could be taken for numpy"),
        ("archived", "archived: gone"),
        ("published by another repository", "published by GitHub evil/numpy wheels.yml, not by"),
        ("below the floor", "2.1.0 was chosen, below the floor numpy>=2.2"),
        ("gone back by years", "2557 days older than 9.0"),
        ("noticed since the last approved", "guarddog notices exec, which it did not in the last approved release"),
    ],
)  # fmt: skip
def test_the_evidence_says_what_a_person_needs(name, words):
    assert words in _says(name)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"check": "scanner", "then": "deny"}, "then"),
        ({"check": "floor"}, "floors, behind_days"),
        ({"check": "floor", "floors": ["numpy"]}, "names no release"),
        ({"check": "floor", "floors": ["num py"]}, "not a requirement"),
        ({"check": "advisory"}, "severity"),
        ({"check": "advisory", "severity": 11}, "severity"),
        ({"check": "advisory", "severity": 7, "unless": "friday"}, "unless"),
        ({"check": "provenance", "publishers": [], "lifts": ["young"]}, "publishers"),
        ({"check": "provenance", "about": ["named"]}, "publishers"),
        ({"check": "provenance", "about": []}, "about"),
        ({"check": "project_status", "statuses": ["active"]}, "statuses"),
        ({"check": "release_age", "days": 1, "clock": "theirs"}, "clock"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule, why):
    from sekisho.errors import BadInputError

    with pytest.raises(BadInputError, match=why):
        policy({"id": "the-rule", **rule})


def test_a_proprietary_family_is_named_once_and_only_its_projects_may_state_its_terms():
    rule = {"check": "license", "allow": ["MIT"], "families": {"nvidia": {"projects": ["nvidia-*"], "terms": ["NVIDIA Proprietary Software"]}}}  # fmt: skip
    stated = {"license_expression": None, "license_hint": "NVIDIA Proprietary Software"}
    assert _look(rule, artifact("nvidia-cublas-cu12"), stated, Knowledge()) is None
    assert _look(rule, artifact("not-nvidia"), stated, Knowledge()) is not None
    assert _look(rule, artifact("nvidia-cublas-cu12"), stated | {"license_hint": "other"}, Knowledge()) is not None
