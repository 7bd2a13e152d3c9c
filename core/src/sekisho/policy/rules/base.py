"""What all rules share: an id, what they answer, and an optional condition."""

from collections.abc import Callable
from datetime import datetime
from types import EllipsisType
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from sekisho.advisories import FeedName, Hit
from sekisho.model import Artifact, Facts, Outcome, Reason, Record, Slug
from sekisho.model.verdict import lightest
from sekisho.policy.conditions import LONGEST, check_condition, condition, needs_facts
from sekisho.policy.knowledge import NOTHING_KNOWN, Knowledge


class Case:
    """What a rule may look at. ``facts`` is ``None`` before the artifact was inspected.

    Several rules ask for ``hits``, so they are looked up once, when the first of them does.
    """

    __slots__ = ("_hits", "artifact", "facts", "known", "now")

    def __init__(
        self, artifact: Artifact, facts: Facts | None, now: datetime, known: Knowledge = NOTHING_KNOWN
    ) -> None:
        self.artifact = artifact
        self.facts = facts
        self.now = now
        self.known = known
        self._hits: tuple[Hit, ...] | EllipsisType | None = ...

    @property
    def hits(self) -> tuple[Hit, ...] | None:
        """Return the advisories that concern the artifact, or ``None`` where no data covers it."""
        if self._hits is ...:
            self._hits = self.known.against(self.artifact, self.facts)
        return self._hits


Look = Callable[[Case], Reason | None]
"""A rule made ready: it answers with a reason, or with nothing where it does not apply."""


class BaseRule(Record):
    """One line of the policy. ``then`` is what it answers, ``when`` a CEL condition without which it says nothing."""

    hard: ClassVar[bool] = False
    """Whether it is asked before anything but the index entry is known, by every door, and beats every approval."""

    inspects: ClassVar[bool] = False
    """Whether it needs facts."""

    finds: ClassVar[bool] = False
    """Whether it has something to say only of a file in which something was found."""

    id: Slug
    then: Outcome = Outcome.REVIEW
    when: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None

    @field_validator("when")
    @classmethod
    def _compiles(cls, when: str | None) -> str | None:
        if when is not None:
            check_condition(when, inspected=not cls.hard)
        return when

    @property
    def feeds(self) -> tuple[FeedName, ...]:
        """Return the feeds without which the rule's silence means nothing."""
        return ()

    @property
    def needs_facts(self) -> bool:
        """Tell whether rule or condition can only answer once the artifact was inspected."""
        return self.inspects or (self.when is not None and needs_facts(self.when))

    def reason(self, evidence: str, outcome: Outcome | None = None) -> Reason:
        """Answer with evidence."""
        return Reason(rule=self.id, outcome=outcome or self.then, evidence=evidence)

    def doubt(self, evidence: str) -> Reason:
        """Answer that a person must look, unless the rule is content with less: nothing is denied on a doubt."""
        return self.reason(evidence, lightest(self.then, Outcome.REVIEW))

    def look(self, case: Case) -> Reason | None:
        """Answer for one artifact, whatever the condition says."""
        raise NotImplementedError

    def answer(self, case: Case) -> Reason | None:
        """Answer as a rule that is ready does; one that fails denies, whatever it would have said."""
        try:
            return self.ready()(case)
        except Exception as error:  # noqa: BLE001 (nobody knows what a rule that failed would have found)
            return self.failure(error)

    def failure(self, error: Exception) -> Reason:
        """Deny, and say what the rule failed with."""
        return self.reason(f"the rule failed: {error}"[:500], Outcome.DENY)

    def bare(self) -> Look:
        """Return ``look``, with whatever it needs for every artifact at hand."""
        return self.look

    def ready(self) -> Look:
        """Return what answers for one artifact, condition included."""
        look = self.bare()
        if self.when is None:
            return look
        holds = condition(self.when)
        return lambda case: look(case) if holds(case) else None
