"""Two channels in the box: their packages, what may be had of them said a second time, and where they come from."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sekisho.allowlist import Allowlist, SignedApproval, sign_approval
from sekisho.model import Approval, Artifact
from sekisho.model.conda import conda_artifact
from sekisho.policy import Snapshot, compile_snapshot
from sekisho.signing import Signer
from sekisho.sources import Source
from tests.records import NO_RULE_APPLIES, SIGNER, policy, sha
from tests.stateful.model import Grant, Model, Tree
from tests.stateful.outside import Outside
from tests.stateful.pool import LARGE, OUTSIDE
from tests.stateful.world import World

CHANNELS = ("forge", "lab")
HOST = "channels.test"
SEEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Package:
    """A package whose bytes only bear a mark: no door opens one."""

    key: str
    channel: str
    subdir: str
    filename: str
    large: bool = False
    ranges: bool = True

    @cached_property
    def data(self) -> bytes:
        mark = f"FILE-MARK[{self.key.replace('/', '-')}]".encode()
        return mark + hashlib.shake_128(mark).digest(LARGE if self.large else 64)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def path(self) -> str:
        return f"{self.subdir}/{self.filename}"

    @property
    def name(self) -> str:
        return self.filename.rsplit("-", 2)[0]

    @cached_property
    def artifact(self) -> Artifact:
        name, version, build = self.filename.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
        record = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "depends": [],
            "sha256": self.sha256,
        }
        record |= {"size": self.size, "run_exports": {"weak": [f"{name} >=1"]}}
        return conda_artifact(self.channel, self.filename, record, subdir=self.subdir, seen=SEEN)


def _pool():
    yield Package("forge/alpha-1", "forge", "noarch", "alpha-1.0-0.conda")
    yield Package("lab/alpha-1", "lab", "noarch", "alpha-1.0-0.conda")  # the same path, other bytes
    yield Package("forge/alpha-2", "forge", "noarch", "alpha-2.0-py_0.conda", large=True)
    yield Package("forge/alpha-old", "forge", "noarch", "alpha-1.0-0.tar.bz2")
    yield Package("forge/beta-linux", "forge", "linux-64", "beta-1!2.0+cpu-h1_0.conda")
    yield Package("forge/beta", "forge", "noarch", "beta-1!2.0+cpu-h1_0.conda")
    yield Package("lab/gamma", "lab", "linux-64", "_gamma-mutex-0.1-main.tar.bz2")
    yield Package("forge/ghost", "forge", "noarch", "ghost-6.6-0.conda")


PACKAGES = {package.key: package for package in _pool()}
APPROVABLE = sorted(PACKAGES.keys() - {"forge/ghost"})
BY_PLACE = {(package.channel, package.path): package for package in PACKAGES.values()}
DENIALS = {
    "alpha": {"forge/alpha-1", "lab/alpha-1", "forge/alpha-2", "forge/alpha-old"},
    "alpha>=2": {"forge/alpha-2"},
    "forge::alpha": {"forge/alpha-1", "forge/alpha-2", "forge/alpha-old"},
    "beta": {"forge/beta", "forge/beta-linux"},
}
"""What each entry of the policy denies."""


@dataclass(frozen=True)
class ChannelTree(Tree):
    """What one commit of the tree says of channels."""

    def denies(self, key: str) -> bool:
        return any(key in DENIALS[text] for text in self.denied)


class ChannelModel(Model):
    """What may be had, as plain sets over plain grants."""

    def relaxed(self, workspace: str) -> frozenset[str]:
        return frozenset()

    def items(self, workspace: str, now: datetime, as_of: int | None = None) -> dict[str, Package]:
        turns = self.line[(as_of or self.reached) - 1 : self.reached]
        return {
            key: PACKAGES[key]
            for grant in self.tree.grants
            if workspace in grant.scope and not (grant.expires and grant.expires <= now)
            for key in grant.items
            if all(grant in turn.tree.grants and not turn.tree.denies(key) for turn in turns)
        }


class ChannelOutside(Outside):
    """The host of both channels: it has packages, and no index at all, since nobody needs it for what is approved."""

    def _plain(self, request, host, path):
        channel, _, rest = path.lstrip("/").partition("/")
        package = BY_PLACE.get((channel, rest))
        return self._file(request, package) if package else (404, b"no", {})


class ChannelWorld(World):
    """A proxy of which only channels are asked."""

    def __init__(self, *, replica: bool = False) -> None:
        super().__init__(replica=replica)
        self.model = ChannelModel()
        self.coming = ChannelTree()
        self.outside = ChannelOutside(self.owned, self.asked)

    def owned(self, source: str) -> set[str]:
        return {HOST}

    def asked(self, path: str) -> set[str]:
        """Return a source for what may be asked for at all: an approved package, or whether the channel is there."""
        channel, _, rest = path.lstrip("/").partition("/")
        known = rest == "noarch/repodata.json" or (channel, rest) in BY_PLACE
        return {OUTSIDE} if channel in CHANNELS and known else set()

    def _compile(self, tree: Tree, revision: str, signer: Signer = SIGNER) -> Snapshot:
        rule = {"id": "no", "check": "denied", "kind": "conda", "projects": list(tree.denied)}
        sources = tuple(Source(id=name, kind="conda", url=f"http://{HOST}/{name}") for name in CHANNELS)
        approvals = tuple(self._sign(grant, signer) for grant in tree.grants)
        said = policy(rule if tree.denied else NO_RULE_APPLIES)
        return compile_snapshot(
            Allowlist(approvals=approvals), said, sources, revision=revision, sequence=0, now=self.clock()
        )

    def _sign(self, grant: Grant, signer: Signer) -> SignedApproval:
        known = self._signed.get(grant)
        if known is None or signer is not SIGNER:
            keys = [key for key in grant.items if key in PACKAGES] or PACKAGES  # a forged grant is of everything
            approval = Approval(
                id=grant.id, request="1", closure=sha("c"), policy=sha("p"), requested_by="ann", approved_by="bob",
                scope=grant.scope, at=self.clock.now, expires=grant.expires,
                artifacts=tuple(PACKAGES[key].artifact for key in keys),
            )  # fmt: skip
            known = sign_approval(approval, signer)
            if signer is SIGNER:
                self._signed[grant] = known
        return known
