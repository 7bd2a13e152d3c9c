"""``policy.yaml``: the rules, how old the feeds they lean on may be, and what is different in some workspaces."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from sekisho.advisories import FEEDS, FeedName
from sekisho.allowlist import HttpUrl
from sekisho.errors import BadInputError, RefusedError
from sekisho.model import EVERYONE, Artifact, Kind, Outcome, Reason, Record, Slug
from sekisho.policy.knowledge import NOTHING_KNOWN, Knowledge
from sekisho.policy.lines import parse_at, place_of
from sekisho.policy.rules import BaseRule, Case, Denied, Provenance, Rule

Mode = Literal["off", "audit", "enforce"]
"""``off``: serve as before; ``audit``: the same, and record what would have been refused; ``enforce``: refuse it.

Hard denials and hash checks hold in all three, and a replica only knows ``enforce``.
"""

Approvers = Annotated[int, Field(ge=1, le=2)]
"""How many different people have to approve."""

UNMET = "unmet"
"""What says that something is approved, and needs what may not be had any more."""

RESERVED = frozenset({"all-rules", "approved", "expired", "not-inspected", UNMET, *(f"stale-{feed}" for feed in FEEDS)})
"""What verdicts name as a rule though no line of the policy says it."""

DEFAULT_DAYS: Mapping[FeedName, int] = {"osv": 7, "kev": 14, "epss": 14}


class FeedLimit(Record):
    """How many ``days`` old a feed's data may be, for its silence to count."""

    days: Annotated[int, Field(ge=1, le=3650)]


class Sandbox(Record):
    """A looser policy for experiments: what some rules answer here, and how many ``days`` an approval lives at most.

    An approval given here is for this workspace alone, so nothing of it enters an image for others.
    """

    days: Annotated[int, Field(ge=1, le=90)]
    relax: Annotated[Mapping[Slug, Literal[Outcome.ALLOW, Outcome.REVIEW]], Field(min_length=1)]


class WorkspacePolicy(Record):
    """What is different in one workspace."""

    mode: Mode = "enforce"
    sandbox: Sandbox | None = None
    approvers: Approvers | None = None


class Policy(Record):
    """``policy.yaml``. ``ask`` is where a person asks for what was refused. ``approvers``: how many people approve."""

    version: Literal[1]
    ask: HttpUrl | None = None
    approvers: Approvers = 1
    feeds: Mapping[FeedName, FeedLimit | Literal["absent"]] = {}
    workspaces: Mapping[Slug, WorkspacePolicy] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def hard_denial(self, artifact: Artifact, now: datetime, known: Knowledge = NOTHING_KNOWN) -> Reason | None:
        """Return the reason for which ``artifact`` is denied before anything but its index entry is known.

        It beats every approval, in every workspace and mode. A rule that fails denies.
        """
        for rule in self._hard:
            if rule.feeds and (not known.advisories.feeds or not self.absent.isdisjoint(rule.feeds)):
                continue  # doors without the data are asked for every file of a page
            reason = rule.answer(Case(artifact, None, now, known))
            if reason and reason.outcome is Outcome.DENY:
                return reason
        return None

    def denial(self, kind: Kind, project: str, release: str | None = None) -> Reason | None:
        """Return the reason for which a release is denied, whatever its files; without one, for the whole name."""
        found = (rule.of(kind, project, release) for rule in self._denials if rule.when is None)
        return next((reason for reason in found if reason), None)

    def denies_as(self, other: "Policy") -> Callable[[Kind, str], bool]:
        """Return what tells of a project whether ``other`` denies the same of its files, with nothing known of them."""
        pairs = list(zip(self._denials, other._denials, strict=False))  # noqa: SLF001 (of the same class)
        if self._other_hard != other._other_hard or self._heads != other._heads:  # noqa: SLF001
            return lambda kind, project: False  # noqa: ARG005 (whatever it is)

        def same(kind: Kind, project: str) -> bool:
            return all(
                one is another or one.entries.get(project) == another.entries.get(project)
                for one, another in pairs
                if one.kind == kind
            )

        return same

    def denying(self, kind: Kind, project: str) -> tuple[str, ...]:
        """Return the ids of the rules that deny some release of a project."""
        return tuple(rule.id for rule in self._denials if rule.kind == kind and project in rule.entries)

    @cached_property
    def _hard(self) -> tuple[BaseRule, ...]:
        return tuple(rule for rule in self.rules if rule.hard)

    @cached_property
    def _denials(self) -> tuple[Denied, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, Denied))

    @property
    def _other_hard(self) -> list[BaseRule]:
        return [rule for rule in self._hard if not isinstance(rule, Denied)]

    @property
    def _heads(self) -> list[tuple[object, ...]]:
        return [(rule.id, rule.kind, rule.when) for rule in self._denials]

    def mode(self, workspace: str) -> Mode:
        """Return how strictly a workspace is served."""
        found = self.workspaces.get(workspace)
        return found.mode if found else "enforce"

    def relaxed(self) -> Mapping[str, Mode]:
        """Return the workspaces that do not enforce, and their modes."""
        return {name: found.mode for name, found in self.workspaces.items() if found.mode != "enforce"}

    def approvers_for(self, workspace: str) -> int:
        """Return how many different people have to approve for a workspace."""
        found = self.workspaces.get(workspace)
        return found.approvers if found and found.approvers else self.approvers

    def sandbox(self, workspace: str) -> Sandbox | None:
        """Return what is looser in a workspace, if it is a sandbox."""
        found = self.workspaces.get(workspace)
        return found.sandbox if found else None

    def rules_for(self, workspace: str) -> tuple[Rule, ...]:
        """Return the rules as they answer in a workspace."""
        sandbox = self.sandbox(workspace)
        if sandbox is None:
            return self.rules
        return tuple(
            rule.model_copy(update={"then": sandbox.relax[rule.id]}) if rule.id in sandbox.relax else rule
            for rule in self.rules
        )

    def oldest(self, feed: FeedName) -> timedelta:
        """Return how old the data of a feed may be."""
        limit = self.feeds.get(feed)
        return timedelta(days=limit.days if isinstance(limit, FeedLimit) else DEFAULT_DAYS[feed])

    @cached_property
    def absent(self) -> frozenset[str]:
        """Return the feeds that this site does without, by its own word: rules that lean on one are not asked."""
        return frozenset(feed for feed, limit in self.feeds.items() if limit == "absent")

    def check_scope(self, scope: tuple[str, ...], expires: datetime | None, now: datetime) -> datetime | None:
        """Return when an approval for ``scope`` ends at the latest: a sandbox's end soon.

        Raises ``BadInputError`` for a scope that is a sandbox and something else.
        """
        found = [(name, sandbox) for name in scope if (sandbox := self.sandbox(name))]
        if not found:
            return expires
        name, sandbox = found[0]
        if len(scope) > 1:
            raise BadInputError(
                f"{name} is a sandbox, what is approved there is approved there alone",
                where=f"scope {', '.join(scope)}",
                todo="approve it for the others by itself, under their policy",
            )
        latest = now + timedelta(days=sandbox.days)
        return latest if expires is None else min(expires, latest)

    def check_image(self, workspace: str, image: str | None) -> None:
        """Raise ``RefusedError`` for an image of a sandbox: images are for all, its approvals for it alone."""
        if image is not None and self.sandbox(workspace):
            raise RefusedError(
                f"{workspace} is a sandbox, and nothing that is approved there enters an image",
                where=f"image {image}",
                todo="ask for the image in a workspace that is none, or for its packages without --image",
            )


def parse_policy(text: str, *, where: str = "policy.yaml") -> Policy:
    """Read ``policy.yaml``; raise ``BadInputError`` naming file, line and key of whatever does not hold together."""
    policy = parse_at(Policy, text, where=where)
    for path, problem in _contradictions(policy):
        raise BadInputError(problem, where=place_of(text, path, where=where), todo="correct it; nothing has changed")
    return policy


Contradiction = tuple[tuple[int | str, ...], str]
"""Where in the file it shows, and what is wrong."""


def _contradictions(policy: Policy) -> Iterator[Contradiction]:
    rules: dict[str, BaseRule] = {}
    for number, rule in enumerate(policy.rules):
        if rule.id in rules:
            yield ("rules", number), f"rule {rule.id!r} is listed twice"
        rules[rule.id] = rule
    for feed in sorted(policy.absent - {"osv"}):
        yield ("feeds", feed), f"feed {feed} cannot be absent: leave it out of the rules"
    for number, rule in enumerate(policy.rules):
        if rule.id in RESERVED:
            yield ("rules", number, "id"), f"no rule can be called {rule.id!r}: verdicts mean something else by it"
        for name in rule.lifts if isinstance(rule, Provenance) else ():
            if name not in rules or name == rule.id:
                yield ("rules", number, "lifts"), f"rule {rule.id!r} lifts {name!r}, which is no other rule"
    yield from _sandboxes(policy, rules)


def _sandboxes(policy: Policy, rules: Mapping[str, BaseRule]) -> Iterator[Contradiction]:
    for workspace, found in policy.workspaces.items():
        path = ("workspaces", workspace, "sandbox")
        if found.sandbox and workspace == EVERYONE:
            yield path, f"workspace {EVERYONE} cannot be a sandbox"
        for name, outcome in found.sandbox.relax.items() if found.sandbox else ():
            at = (*path, "relax", name)
            if name not in rules:
                yield at, f"workspace {workspace!r} relaxes {name!r}, which is no rule"
            elif rules[name].hard:
                yield at, f"workspace {workspace!r} relaxes {name!r}, which holds everywhere"
            elif outcome.gravity >= rules[name].then.gravity:
                yield at, f"workspace {workspace!r} does not relax {name!r}: it answers {rules[name].then} anyway"
