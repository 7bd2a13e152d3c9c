"""A verdict is never a bare boolean: it names its rules and shows their evidence."""

from collections.abc import Collection
from enum import StrEnum

from sekisho.model.base import Moment, Record, Sha256


class Outcome(StrEnum):
    """The three answers, from lightest to gravest."""

    ALLOW = "allow"
    REVIEW = "review"
    DENY = "deny"

    @property
    def gravity(self) -> int:
        """Return 0, 1 or 2, so that the gravest of several outcomes can be taken."""
        return (Outcome.ALLOW, Outcome.REVIEW, Outcome.DENY).index(self)


def gravest(outcomes: Collection[Outcome]) -> Outcome:
    """Return the gravest outcome; nothing at all denies (fail closed)."""
    if Outcome.DENY in outcomes or not outcomes:
        return Outcome.DENY
    return Outcome.REVIEW if Outcome.REVIEW in outcomes else Outcome.ALLOW


def lightest(one: Outcome, other: Outcome) -> Outcome:
    """Return the lighter of two outcomes."""
    return one if one.gravity <= other.gravity else other


class Reason(Record):
    """One rule's answer with its evidence."""

    rule: str
    outcome: Outcome
    evidence: str


class Verdict(Record):
    """The answer for one artifact."""

    purl: str
    sha256: Sha256
    outcome: Outcome
    reasons: tuple[Reason, ...]


class Judgement(Record):
    """The answer for one closure under one policy at one time.

    ``outcome`` is the gravest of its verdicts; an empty closure denies.
    """

    closure: Sha256
    policy: Sha256
    at: Moment
    outcome: Outcome
    verdicts: tuple[Verdict, ...]

    def count(self) -> dict[str, int]:
        """Return how many artifacts were allowed, sent to review and denied."""
        return {str(o): sum(v.outcome is o for v in self.verdicts) for o in Outcome}
