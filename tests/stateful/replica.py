"""A replica: the same doors, fed by bundles that may lie, lack files, or bring more than anybody approved."""

import asyncio
import hashlib
import uuid
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from sekisho.errors import SekishoError
from sekisho.signing import BUNDLE_TYPE, Signer
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.manifest import (
    MANIFEST,
    SNAPSHOT,
    Attested,
    FileEntry,
    Manifest,
    blob_path,
    provenance_path,
)
from tests.records import SIGNER
from tests.stateful.machine import Doors
from tests.stateful.model import Tree
from tests.stateful.pool import POOL
from tests.stateful.world import STRANGER, World

CARRIED = {
    "approved": lambda tree: {key for grant in tree.grants for key in grant.items},
    "everything": lambda _: set(POOL),
    "nothing": lambda _: set(),
    "some": lambda _: {"alpha-1.0", "beta-2.0+cpu", "inhouse-1.0", "ghost-1.0"},
}
"""Which files a bundle brings."""


class ReplicaWorld(World):
    """``publish`` exports, carries over and imports."""

    def __init__(self) -> None:
        super().__init__(replica=True)
        self.carries = "some"

    async def publish_soon(self, tree: Tree) -> None:
        sealed = self.seal(tree)
        self._sealed.append(sealed)
        self.bring(sealed, len(self.model.line))
        self.model.reached = len(self.model.line)
        await self.followed()

    async def followed(self) -> None:
        """Let the replica look at its disk, which it does once a second."""
        await asyncio.sleep(3)
        await self.drain()

    def bring(
        self, sealed: bytes, sequence: int, *, signer: Signer = SIGNER, age: float = 0.0, spoilt: str = ""
    ) -> None:
        """Put a bundle together and import it; raise what the import raises."""
        bundle = self.folder / uuid.uuid4().hex
        items = [POOL[key] for key in sorted(CARRIED[self.carries](self.model.line[-1].tree))]
        for item in items:
            path = blob_path(bundle, item.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"?" + item.data[1:] if item.key == spoilt else item.data)
        attested = {item.sha256: item for item in items if item.attested}.values()
        for item in attested:
            path = provenance_path(bundle, item.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.provenance)
        bundle.mkdir(exist_ok=True)
        (bundle / SNAPSHOT).write_bytes(sealed)
        now = self.clock.now - timedelta(days=age)
        manifest = Manifest(
            sequence=sequence,
            created=now,
            expires=now + timedelta(days=30),
            snapshot=_entry(sealed),
            blobs=tuple(_entry(data) for data in {item.sha256: item.data for item in items}.values()),
            provenance=tuple(
                Attested(artifact=item.sha256, **_entry(item.provenance).model_dump()) for item in attested
            ),
        )
        envelope = signer.envelope(BUNDLE_TYPE, manifest.canonical())
        (bundle / MANIFEST).write_bytes(envelope.model_dump_json().encode())
        import_bundle(self.settings, bundle, now=self.clock.now)


def _entry(data: bytes) -> FileEntry:
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


class ReplicaDoors(Doors):
    """A proxy without an upstream and without a portal."""

    world: ReplicaWorld

    def make_world(self) -> World:
        return ReplicaWorld()

    @rule(what=st.sampled_from(sorted(CARRIED)))
    def carry(self, what):
        """Say what later bundles bring."""
        self.count()
        self.world.carries = what

    @rule(how=st.sampled_from(["stranger", "replay", "same-number", "expired", "spoilt"]))
    def deceive(self, how):
        """Bring a bundle that must be refused, and nothing of it taken."""
        self.count()
        world = self.world
        number, sealed = len(world.model.line), world.newest()
        before = {path for path in (world.settings.data / "proxy" / "blobs").rglob("*") if path.is_file()}
        lies = {
            "stranger": lambda: world.bring(sealed, number, signer=STRANGER),
            "replay": lambda: world.bring(world.oldest(), 1),
            "same-number": lambda: world.bring(world.forge(), number),
            "expired": lambda: world.bring(sealed, number, age=31),
            "spoilt": lambda: world.bring(world.forge(ahead=1), number + 1, spoilt="alpha-1.0"),
        }
        world.carries, kept = "everything", world.carries
        try:
            lies[how]()
        except SekishoError:
            taken = {path for path in (world.settings.data / "proxy" / "blobs").rglob("*") if path.is_file()} - before
            assert not taken, f"a bundle was refused, and {taken} taken from it"
        else:
            assert (how, number) == ("replay", 1), f"a bundle was taken over that is a lie: {how}"
        finally:
            world.carries = kept
        world.run(world.followed())
