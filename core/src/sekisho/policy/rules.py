"""The closed vocabulary of rules, and ``policy.yaml``.

A rule looks at one artifact with its facts and answers with a reason, or with nothing when it does not apply. Rules
are pure: time comes in as ``now``.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version
from pydantic import Field, PlainSerializer, field_validator

from sekisho.allowlist import HttpUrl, load_yaml
from sekisho.errors import BadInputError
from sekisho.model import Artifact, Facts, Kind, Outcome, Reason, Record, Slug, normalize_project
from sekisho.policy.licences import satisfied, spdx


class Case(NamedTuple):
    """What a rule may look at. ``facts`` is ``None`` before the artifact was inspected."""

    artifact: Artifact
    facts: Facts | None
    now: datetime


class _Rule(Record):
    id: Slug
    then: Outcome = Outcome.REVIEW

    def reason(self, evidence: str) -> Reason:
        return Reason(rule=self.id, outcome=self.then, evidence=evidence)

    def look(self, case: Case) -> Reason | None:
        raise NotImplementedError

    def answer(self, case: Case) -> Reason | None:
        """Answer as ``look`` does; a rule that fails denies, whatever it would have said."""
        try:
            return self.look(case)
        except Exception as error:  # noqa: BLE001 (nobody knows what a rule that failed would have found)
            return Reason(rule=self.id, outcome=Outcome.DENY, evidence=f"the rule failed: {error}"[:500])


@lru_cache(maxsize=256)
def _entries(kind: Kind, projects: tuple[str, ...]) -> Mapping[str, tuple[tuple[str, Requirement], ...]]:
    """Return the entries of a denial by project: doors ask on every request, and policies are few."""
    found: dict[str, tuple[tuple[str, Requirement], ...]] = {}
    for text in projects:
        entry = Requirement(text)
        name = normalize_project(kind, entry.name)
        found[name] = (*found.get(name, ()), (text, entry))
    return found


def _within(entry: Requirement, release: str) -> bool:
    """Tell whether the release may be one that ``entry`` names; one that cannot be compared may be any."""
    try:
        return entry.specifier.contains(Version(release), prereleases=True)
    except ValueError:  # InvalidVersion, or a number that Python does not read
        return True


class Denied(_Rule):
    """Names and releases that nobody may have: PEP 508 requirements, as in ``foo`` or ``foo<1.2``."""

    check: Literal["denied"]
    then: Literal[Outcome.DENY] = Outcome.DENY
    kind: Kind = "pypi"
    projects: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("projects")
    @classmethod
    def _are_requirements(cls, projects: tuple[str, ...]) -> tuple[str, ...]:
        for text in projects:
            try:
                Requirement(text)
            except InvalidRequirement as error:
                message = f"{text!r} is not a requirement: {error}"
                raise ValueError(message) from error
        return projects

    def look(self, case: Case) -> Reason | None:
        """Answer for the first entry that names the artifact's project and release."""
        return self.of(case.artifact.kind, case.artifact.project, case.artifact.release)

    def of(self, kind: Kind, project: str, release: str | None) -> Reason | None:
        """Answer for the first entry that names a release; without one, for an entry that names all of them."""
        if kind != self.kind:
            return None
        for text, entry in _entries(self.kind, self.projects).get(project, ()):
            if _within(entry, release) if release else not entry.specifier:
                return self.reason(f"the policy denies {text}")
        return None


class ReleaseAge(_Rule):
    """A release younger than ``days`` waits: most attacks are found within that time."""

    check: Literal["release_age"]
    days: Annotated[int, Field(ge=0, le=3650)]

    def look(self, case: Case) -> Reason | None:
        """Answer when the upload is too recent, in the future, or unknown."""
        uploaded = case.artifact.uploaded
        if uploaded is None:
            return self.reason("the source states no upload time")
        age = (case.now - uploaded).days
        return self.reason(f"uploaded {age} days ago, less than {self.days}") if age < self.days else None


class License(_Rule):
    """The licence must be one of ``allow`` (SPDX ids); unknown is not allowed."""

    check: Literal["license"]
    allow: Annotated[frozenset[str], Field(min_length=1), PlainSerializer(sorted, return_type=list[str])]

    def look(self, case: Case) -> Reason | None:
        """Answer when the stated licence is unknown or not among those allowed."""
        if case.facts is None:
            return None
        facts = case.facts
        words = filter(None, (facts.license_hint, *facts.license_classifiers))
        stated = facts.license_expression or ", ".join(dict.fromkeys(words))
        expression = spdx(facts.license_expression, facts.license_hint, facts.license_classifiers)
        if expression is None:
            return self.reason(f"unknown: it states {stated[:120]!r}" if stated else "it states no licence")
        return None if satisfied(expression, self.allow) else self.reason(f"{expression} is not among those allowed")


class Yanked(_Rule):
    """The source yanked the file (PEP 592)."""

    check: Literal["yanked"]

    def look(self, case: Case) -> Reason | None:
        """Answer with the source's reason."""
        yanked = case.artifact.yanked
        return None if yanked is None else self.reason(f"yanked: {yanked or 'no reason given'}")


class SdistOnly(_Rule):
    """The file is source that would have to be built, so its code would run at installation."""

    check: Literal["sdist_only"]
    then: Outcome = Outcome.DENY

    def look(self, case: Case) -> Reason | None:
        """Answer for anything of an index that is not a wheel."""
        if case.artifact.kind != "pypi" or case.artifact.filename.endswith(".whl"):
            return None
        return self.reason("no wheel for the target, only source")


class NativeCode(_Rule):
    """The archive carries compiled code."""

    check: Literal["native_code"]

    def look(self, case: Case) -> Reason | None:
        """Answer with the first few binaries."""
        native = case.facts.native if case.facts else ()
        return self.reason(f"{len(native)} binaries, as {', '.join(native[:3])}") if native else None


class Inspection(_Rule):
    """What the inspection found in the archive.

    ``record_mismatch``: RECORD does not list every file with its right hash; ``metadata_mismatch``: METADATA is not
    what the file's name, or what resolution saw, says; ``archive_confusion``: two readers of the archive could see
    different files, or it is a bomb; ``top_level_pth``: a ``.pth`` file, a
    ``sitecustomize`` or a part of the interpreter itself would run with every start of Python.
    """

    check: Literal["record_mismatch", "metadata_mismatch", "archive_confusion", "top_level_pth"]

    def look(self, case: Case) -> Reason | None:
        """Answer with the findings of that name."""
        found = [f.detail for f in (case.facts.findings if case.facts else ()) if f.code == self.check]
        return self.reason("; ".join(found[:5])) if found else None


Rule = Annotated[
    Denied | ReleaseAge | License | Yanked | SdistOnly | NativeCode | Inspection, Field(discriminator="check")
]


class Policy(Record):
    """``policy.yaml``. ``ask`` is where a person asks for what was refused."""

    version: Literal[1]
    ask: HttpUrl | None = None
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def hard_denial(self, artifact: Artifact, now: datetime) -> Reason | None:
        """Return the reason for which ``artifact`` is denied before anything but its index entry is known."""
        for rule in self.rules:
            if isinstance(rule, Denied):
                reason = rule.answer(Case(artifact, None, now))
                if reason:
                    return reason
        return None

    def denial(self, kind: Kind, project: str, release: str | None = None) -> Reason | None:
        """Return the reason for which a release is denied, whatever its files; without one, for the whole name."""
        found = (rule.of(kind, project, release) for rule in self.rules if isinstance(rule, Denied))
        return next((reason for reason in found if reason), None)

    def denying(self, kind: Kind, project: str) -> tuple[str, ...]:
        """Return the ids of the rules that deny some release of a project."""
        denials = (rule for rule in self.rules if isinstance(rule, Denied) and rule.kind == kind)
        return tuple(rule.id for rule in denials if project in _entries(kind, rule.projects))


def parse_policy(text: str, *, where: str = "policy.yaml") -> Policy:
    """Read ``policy.yaml``; rule ids must be unique. Raises ``BadInputError`` naming file and key."""
    policy = Policy.parse(load_yaml(text, where=where), where=where)
    ids = [rule.id for rule in policy.rules]
    twice = {rule for rule in ids if ids.count(rule) > 1}
    if twice:
        raise BadInputError(f"rule {min(twice)!r} is listed twice", where=where)
    return policy
