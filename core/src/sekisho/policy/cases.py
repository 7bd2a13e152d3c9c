"""Cases that a policy must judge as written: ``sekisho policy test`` reads them from files beside the policy."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from sekisho.advisories import FEEDS, Advisory, Hit
from sekisho.model import EVERYONE, Artifact, Facts, Moment, Outcome, Reason, Record, Slug
from sekisho.model.verdict import gravest
from sekisho.policy.document import Policy
from sekisho.policy.judge import prepare
from sekisho.policy.knowledge import Knowledge, Published, Status
from sekisho.policy.lines import parse_at

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHA256 = "0" * 64


class Weakness(Record):
    """An advisory that the case supposes. ``score`` is CVSS, unknown if left out; without ``releases`` it is on all."""

    id: str
    score: Annotated[float, Field(ge=0, le=10)] | None = None
    malicious: bool = False
    exploited: bool = False
    fixed: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()


class Supposed(Record):
    """What the case supposes to be known. Feeds are as of ``now`` unless ``feed_days`` says how old they are.

    ``published`` is who published the last approved release, as ``GitHub acme/tool release.yml``. Of what is not
    ``covered`` nobody knows under which name advisories speak of it.
    """

    advisories: tuple[Weakness, ...] = ()
    feed_days: Annotated[int, Field(ge=0)] = 0
    first_seen: Moment | None = None
    approved: tuple[str, ...] = ()
    status: Literal["active", "archived", "quarantined", "deprecated"] | None = None
    newest: tuple[str, Moment] | None = None
    scanned: tuple[str, ...] | None = None
    published: tuple[str, ...] = ()
    direct: bool = False
    covered: bool = True


class Expected(Record):
    """The outcome, and a rule that must be among the reasons for it."""

    outcome: Outcome
    rule: Slug | None = None


class PolicyCase(Record):
    """One artifact with its facts, what is known, and what the policy must say. What is left out is harmless.

    An artifact of kind ``conda`` may have a ``build`` and a ``subdir``.
    """

    name: Annotated[str, Field(min_length=1)]
    artifact: Mapping[str, Any]
    facts: Mapping[str, Any] = {}
    known: Supposed = Supposed()
    now: Moment = _NOW
    workspace: Slug = EVERYONE
    expect: Expected


class PolicyCases(Record):
    """A file of cases."""

    cases: Annotated[tuple[PolicyCase, ...], Field(min_length=1)]


class Answer(NamedTuple):
    """What came of a case."""

    case: PolicyCase
    outcome: Outcome
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Tell whether the outcome is the expected one, for the expected reason."""
        wanted = self.case.expect
        rules = {reason.rule for reason in self.reasons}
        return self.outcome is wanted.outcome and (wanted.rule is None or wanted.rule in rules)


class _Supposition:
    """The advisories of one case: they concern its artifact and nothing else."""

    def __init__(self, known: Supposed, feeds: Mapping[str, datetime]) -> None:
        self.feeds = feeds
        self._files: Mapping[str, Advisory] = {}
        self._known = known.advisories
        self._covered = known.covered

    def covers(self, kind: str) -> bool:
        """Cover every kind: a case says what is known."""
        return self._covered or kind == "pypi"

    def known_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:
        """Know every project by its own name, or not at all."""
        return ((kind, project),) if self._covered else ()

    def same_as(self, kind: str, project: str) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 (as the others have it)
        """Know of nothing that holds a project, or is held: a case is about one project."""
        return ()

    def affecting(self, kind: str, project: str, release: str) -> tuple[Hit, ...]:
        """Return what the case supposes."""
        return tuple(
            Hit(
                Advisory((one.id,), None if one.score is None else round(one.score * 10), one.malicious, one.exploited),
                one.fixed,
            )
            for one in self._known
            if kind and project and (not one.releases or release in one.releases)
        )

    def file(self, sha256: str) -> Advisory | None:
        """Return what names this file."""
        return self._files.get(sha256)


def parse_cases(text: str, *, where: str) -> tuple[PolicyCase, ...]:
    """Read a file of cases; raise ``BadInputError`` naming file and line."""
    return parse_at(PolicyCases, text, where=where).cases


def run_case(policy: Policy, case: PolicyCase, *, where: str) -> Answer:
    """Judge one case; raise ``BadInputError`` naming ``where`` if its artifact or facts are none."""
    artifact = Artifact.parse(_artifact(case), where=f"{where}, case {case.name!r}")
    facts = Facts.parse(
        {"sha256": artifact.sha256, "size": artifact.size, **case.facts}, where=f"{where}, case {case.name!r}"
    )
    bench = prepare(policy, _knowledge(case, artifact), case.now)
    reasons = bench.reasons(artifact, facts)
    return Answer(case, gravest([reason.outcome for reason in reasons]), reasons)


def _artifact(case: PolicyCase) -> dict[str, Any]:
    given = case.artifact
    if given.get("kind") == "conda":
        return _package(case, dict(given))
    name = f"{str(given.get('project', 'x')).replace('-', '_')}-{given.get('release', '1.0')}-py3-none-any.whl"
    harmless = {"source": "pypi", "release": "1.0", "filename": name, "sha256": _SHA256, "size": 1}
    made = harmless | {"uploaded": case.now - timedelta(days=3650)} | dict(given)
    return {"path": made["filename"], **made}


def _package(case: PolicyCase, given: dict[str, Any]) -> dict[str, Any]:
    """Return a channel's package: ``build`` and ``subdir`` are said beside what every artifact has."""
    build, subdir = given.pop("build", "0"), given.pop("subdir", "linux-64")
    made = {"source": "forge", "project": "x", "release": "1.0", "sha256": _SHA256, "size": 1} | given
    filename = f"{made['project']}-{made['release']}-{build}.conda"
    seen = case.now - timedelta(days=3650)
    return {"filename": filename, "path": f"{subdir}/{filename}", "uploaded": seen, **made}


def _knowledge(case: PolicyCase, artifact: Artifact) -> Knowledge:
    known, subject = case.known, (artifact.kind, artifact.project)
    feeds = dict.fromkeys(FEEDS, case.now - timedelta(days=known.feed_days))
    scanners = {scan.get("scanner", "") for scan in case.facts.get("scans", ()) if isinstance(scan, dict)}
    return Knowledge(
        advisories=_Supposition(known, feeds),
        first_seen={artifact.sha256: known.first_seen} if known.first_seen else {},
        approved={subject: frozenset(known.approved)} if known.approved else {},
        scanned={} if known.scanned is None else {subject: dict.fromkeys(scanners, frozenset(known.scanned))},
        published={subject: frozenset(known.published)} if known.published else {},
        statuses={subject: Status(known.status)} if known.status else {},
        newest={subject: Published(*known.newest)} if known.newest else {},
        direct=frozenset({subject} if known.direct else ()),
        workspace=case.workspace,
    )
