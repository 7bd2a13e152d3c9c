"""What may be had, said a second time: plain sets over plain grants, without index, page, or cache."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.stateful.pool import INSIDE, OUTSIDE, POOL, Item

WORKSPACES = ("everyone", "team-a", "team-b")
DENIALS = {
    "alpha": {"alpha-1.0", "alpha-1.1", "alpha-1.2", "alpha-1.1_sdist", "alpha-9.9"},
    "alpha<1.1": {"alpha-1.0"},
    "Beta": {"beta-2.0+cu118", "beta-2.0+cpu"},
    "beta==2.0+cpu": {"beta-2.0+cpu"},
    "twin": {"twin-1.1"},
    "inhouse>=2": {"inhouse-2.0"},
    "gamma": {"gamma-1.0_composed", "gamma-1.0_decomposed", "gamma-1.1"},
    "ghost": {"ghost-1.0"},
}
"""What each entry of the policy denies."""

INDEX = {OUTSIDE: "outside.test", INSIDE: "inside.test:8443"}
FILES = "files.outside.test"
MIRROR = "mirror.outside.test"
OWNERS: dict[str, dict[str, str]] = {
    "usual": {"inhouse": INSIDE},
    "nobody": {},
    "more-inside": {"inhouse": INSIDE, "beta": INSIDE, "shared": INSIDE},
    "moved-outside": {"inhouse": OUTSIDE, "alpha": OUTSIDE},
}
"""Who may own what. A source that owns something provides nothing else."""

HOSTS = {"files": (FILES,), "mirror": (MIRROR, FILES), "none": ()}
"""The file hosts that the source outside may be given."""


@dataclass(frozen=True)
class Grant:
    """An approval of some files of one project."""

    id: str
    items: tuple[str, ...]
    scope: tuple[str, ...]
    expires: datetime | None


@dataclass(frozen=True)
class Tree:
    """What one commit of the tree says."""

    grants: tuple[Grant, ...] = ()
    denied: tuple[str, ...] = ()
    hosts: str = "files"
    owners: str = "usual"
    modes: tuple[tuple[str, str], ...] = ()

    def denies(self, key: str) -> bool:
        """Tell whether the policy denies a file, or its source may not provide its name."""
        item = POOL[key]
        return item.source not in self.asked(item.project) or self.denies_name(key)

    def denies_name(self, key: str) -> bool:
        return any(key in DENIALS[text] for text in self.denied)

    def asked(self, project: str) -> list[str]:
        """Return the sources that may be asked for a name, in order."""
        owners = OWNERS[self.owners]
        others = [source for source in INDEX if source not in owners.values()]
        return [owners[project]] if project in owners else others

    def owned(self, source: str) -> set[str]:
        """Return the hosts that a source owns."""
        return {INDEX[source], *(HOSTS[self.hosts] if source == OUTSIDE else ())}


@dataclass(frozen=True)
class Turn:
    """A snapshot that the portal made."""

    sequence: int
    revision: str
    made: datetime
    tree: Tree


@dataclass
class Model:
    """``line`` is the portal's; ``reached`` is how far the proxy has followed it."""

    line: list[Turn] = field(default_factory=list)
    reached: int = 0

    @property
    def tree(self) -> Tree:
        """The tree by which the proxy serves."""
        return self.line[self.reached - 1].tree if self.reached else Tree()

    def relaxed(self, workspace: str) -> frozenset[str]:
        """Return the keys of what sources may give a workspace that nobody approved; nothing where it enforces."""
        if dict(self.tree.modes).get(workspace, "enforce") == "enforce":
            return frozenset()
        return frozenset(key for key in POOL if not self.tree.denies(key))

    def items(self, workspace: str, now: datetime, as_of: int | None = None) -> dict[str, Item]:
        """Return what a door has, by key: granted without a break since ``as_of``, not ended, never denied since."""
        turns = self.line[(as_of or self.reached) - 1 : self.reached]
        return {
            key: POOL[key]
            for grant in self.tree.grants
            if workspace in grant.scope and not (grant.expires and grant.expires <= now)
            for key in grant.items
            if all(grant in turn.tree.grants and not turn.tree.denies(key) for turn in turns)
        }
