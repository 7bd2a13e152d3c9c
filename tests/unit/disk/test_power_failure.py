"""When the power fails: whatever part of what was not flushed is lost, nothing wrong is read and nothing told is gone."""

import asyncio
import hashlib
import itertools
from collections import Counter
from datetime import datetime, timedelta

import pytest

from sekisho import service_token
from sekisho.disk import Disk
from sekisho.keys import key_path, load_signer, load_trust, open_signer
from sekisho.model import sha256_hex
from sekisho.policy.sealing import seal_snapshot
from sekisho.rotation import rotate
from sekisho.settings import Settings
from sekisho.signing import BUNDLE_TYPE, Signer, Trust
from sekisho.store import BlobStore, write_atomically
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.manifest import MANIFEST, SNAPSHOT, FileEntry, Manifest, blob_path
from sekisho_proxy.demand.keeper import Keeper
from sekisho_proxy.demand.tally import Tally
from sekisho_proxy.follow import Held
from sekisho_proxy.horizon import Horizon, extend_horizon, read_horizon
from sekisho_proxy.refusal import Refusal
from tests.fakes import FakeClock
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot
from tests.unit.disk.power import failures, read_tree, write_tree
from tests.unit.disk.recording import RecordingDisk

BLOBS = [f"blob {number}".encode() * 3 for number in range(3)]


class Replay:
    """A folder as it is before, a recorder on it, and every state that a failure of power may leave."""

    def __init__(self, folder):
        self.work = folder / "work"
        self.work.mkdir()
        self._left = folder / "left"
        self._before = None

    def begin(self, disk=RecordingDisk):
        self._before = read_tree(self.work)
        self.disk = disk(self.work)
        return self.disk

    def states(self):
        """Yield (folder, what was told) for each state."""
        for number, failure in enumerate(failures(self._before, self.disk.steps)):
            place = self._left / str(number)
            write_tree(failure.tree, place)
            yield place, failure.told


@pytest.fixture
def replay(tmp_path):
    return Replay(tmp_path)


def _check_blobs(replay):
    seen = 0
    for place, told in replay.states():
        for path in place.glob("*/sha256/*/*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        store = BlobStore(place / "blobs", disk=Disk())
        store.sweep()
        assert list(store.incoming.iterdir()) == []
        assert [sha256 for sha256 in told if not store.has(sha256)] == []
        seen += 1
    return seen


def _add_blobs(replay, disk):
    replay.begin(disk)
    store, quarantine = (BlobStore(replay.work / name, disk=replay.disk) for name in ("blobs", "quarantine"))
    for data in BLOBS[:2]:
        replay.disk.tell(store.add([data[:5], data[5:]]))
    sha256 = quarantine.add([BLOBS[2]])
    store.adopt(quarantine.path(sha256), sha256)
    replay.disk.tell(sha256)


def test_blobs(replay):
    _add_blobs(replay, RecordingDisk)
    assert _check_blobs(replay) > 100


def _forgets(kind, only=lambda _: True):
    """Return a disk that does not do one kind of step, as one of our own functions might forget to."""

    class Forgetful(RecordingDisk):
        def flush(self, handle):
            if kind != "flush":
                super().flush(handle)

        def flush_folder(self, folder):
            if kind != "flush-folder" or not only(folder):
                super().flush_folder(folder)

    return Forgetful


@pytest.mark.parametrize(
    "disk",
    [
        _forgets("flush"),
        _forgets("flush-folder", lambda folder: len(folder.name) == 2),
        _forgets("flush-folder", lambda folder: folder.name == "sha256"),
        _forgets("flush-folder", lambda folder: folder.name == "blobs"),
    ],
    ids=["bytes", "names", "shelves", "folders"],
)
def test_a_flush_that_is_forgotten_is_noticed(replay, disk):
    _add_blobs(replay, disk)
    with pytest.raises(AssertionError, match="assert"):
        _check_blobs(replay)


def test_a_name_that_comes_before_its_bytes_is_noticed(replay):
    disk = replay.begin()
    handle = disk.create(replay.work / "half")
    disk.write(handle, b"new")
    disk.rename(replay.work / "half", replay.work / "file")
    disk.flush(handle)
    read = {(place / "file").read_bytes() for place, _ in replay.states() if (place / "file").exists()}
    assert read == {b"", b"n", bytes(3), b"new"}


def test_a_file_that_is_replaced(replay):
    write_atomically(replay.work / "file", b"old")
    disk = replay.begin()
    write_atomically(replay.work / "file", b"new", disk=disk)
    disk.tell("new")
    read = Counter(((place / "file").read_bytes(), bool(told)) for place, told in replay.states())
    assert set(read) == {(b"old", False), (b"new", False), (b"new", True)}


def _sealed(sequence):
    return seal_snapshot(snapshot(signed(), sequence=sequence, revision=f"{sequence:040d}"), SIGNER).canonical()


def _sequence(file, trust):
    async def scenario():
        held = Held(file, trust, FakeClock())
        return held.present().sequence if await held.load() else held.refused

    return asyncio.run(scenario())


def test_the_policy_snapshot(replay):
    """It is whole whenever it is there, and one that was in force is never followed by an older one."""
    trust = replay.work / "trust.json"
    trust.write_text(TRUST.dump())
    disk = replay.begin()

    async def scenario():
        held = Held(replay.work / "proxy" / "snapshot.json", trust, FakeClock(), disk=disk)
        for sequence in (1, 2):
            assert await held.offer(_sealed(sequence), store=True)
            disk.tell(str(sequence))

    asyncio.run(scenario())
    found = {(told[-1:], _sequence(place / "proxy" / "snapshot.json", trust)) for place, told in replay.states()}
    assert found == {((), None), ((), 1), (("1",), 1), (("1",), 2), (("2",), 2)}


def test_the_horizon(replay):
    file = replay.work / "snapshot.json"
    moments = [NOW + timedelta(hours=hours) for hours in range(3)]
    extend_horizon(file, Horizon(sequence=1, until=moments[0]))
    disk = replay.begin()
    for moment in moments[1:]:
        extend_horizon(file, Horizon(sequence=1, until=moment), disk=disk)
        disk.tell(moment.isoformat())
    for place, told in replay.states():
        kept = read_horizon(place / "snapshot.json")
        assert kept is not None
        assert kept.until >= max([moments[0], *map(datetime.fromisoformat, told)])


class Portal:
    """Counts as the real one does: a batch by its id, once. It answers, or it takes a batch and the answer is lost."""

    def __init__(self, disk, answers):
        self._disk = disk
        self._answers = itertools.cycle(answers)
        self.batches = {}

    async def __call__(self, body):
        from sekisho.model import DemandBatch

        batch = DemandBatch.parse_json(body, where="test")
        self.batches[batch.id] = batch
        self._disk.tell(f"sent {batch.id}")
        if not next(self._answers):
            raise OSError(104, "the answer was lost")
        return 200


def test_the_counts_of_demand(replay):
    """Each refusal that was saved is counted exactly once, here or at the portal, wherever the power fails."""
    disk = replay.begin()
    file = replay.work / "proxy" / "demand.json"
    portal = Portal(disk, [False, True])
    tally = Tally(FakeClock())
    keeper = Keeper(tally, file, portal, disk=disk)

    async def scenario():
        for number in range(3):
            tally.count(Refusal("everyone", "pypi", f"name-{number}", "", "no"))
            await keeper.step()
            disk.tell(f"saved {number}")
        await keeper.step()

    asyncio.run(scenario())
    assert len(portal.batches) == 2
    for place, told in replay.states():
        sent = {word.split()[1] for word in told if word.startswith("sent ")}
        saved = [int(word.split()[1]) for word in told if word.startswith("saved ")]
        again = Keeper(Tally(FakeClock()), place / "proxy" / "demand.json", None)
        here = [row for row in again.rows() if again._pending is None or row not in again._pending.rows]
        batches = {one: portal.batches[one] for one in sent}
        if again._pending:
            batches[again._pending.id] = again._pending
        rows = [*here, *(row for batch in batches.values() for row in batch.rows)]
        counts = Counter({row.project: row.count for row in rows})
        assert len(counts) == len(rows)  # nothing twice
        assert set(counts.values()) <= {1}
        assert {f"name-{number}" for number in saved} <= set(counts)


def test_keys_and_the_trust_file(replay):
    """A key that is listed is there; a key that signed something stays."""
    disk = replay.begin()
    for name in ("portal", "export"):
        disk.tell(f"{name} {open_signer(Settings(data=replay.work / 'data'), name, disk=disk).keyid}")
    for place, told in replay.states():
        trust = place / "data" / "trust.json"
        keys = {path.stem: load_signer(path).keyid for path in (place / "data" / "keys").glob("[!.]*.pem")}
        listed = set(load_trust(trust).keys) if trust.exists() else set()
        assert listed <= set(keys.values())
        for word in told:
            name, keyid = word.split()
            assert keys[name] == keyid
            assert keyid in listed


def test_a_rotation_of_keys(replay):
    """The key that signs is one that is trusted, the old one or the new; the same command then ends with the new."""
    settings = Settings(data=replay.work / "data")
    old = open_signer(settings, "export").keyid
    disk = replay.begin()
    disk.tell(rotate(settings, "export", None, disk=disk).keyid)
    ended = 0
    for place, told in replay.states():
        here = Settings(data=place / "data")
        signing = load_signer(key_path(here, "export")).keyid
        assert signing in load_trust(here.trust_file).keys
        if told:
            assert signing == told[0]
        elif signing == old:
            assert rotate(here, "export", None).keyid != old
            ended += 1
    assert ended


def test_the_service_token(replay):
    disk = replay.begin()
    for _ in range(2):
        disk.tell(service_token.read_or_create(replay.work / "data" / "service.token", disk=disk))
    assert len({step.path for step in disk.steps if step.kind == "told"}) == 1
    for place, told in replay.states():
        token = place / "data" / "service.token"
        if token.exists():
            assert len(service_token.read(token)) > 40
        if told:
            assert service_token.read(token) == told[0]


def _bundle(folder, signer, sequence):
    """Write a bundle of all blobs; give the manifest."""
    artifacts = [
        artifact("pkg", f"{number}.0", sha256=sha256_hex(data), size=len(data)) for number, data in enumerate(BLOBS)
    ]
    sealed = seal_snapshot(
        snapshot(signed(*artifacts, signer=signer), sequence=sequence, revision=f"{sequence:040d}"), signer
    ).canonical()
    manifest = Manifest(
        sequence=sequence,
        created=NOW,
        expires=NOW + timedelta(days=30),
        snapshot=FileEntry(sha256=sha256_hex(sealed), size=len(sealed)),
        blobs=tuple(FileEntry(sha256=sha256_hex(data), size=len(data)) for data in BLOBS),
        known=NOW,
    )
    for data in BLOBS:
        path = blob_path(folder, sha256_hex(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / SNAPSHOT).write_bytes(sealed)
    envelope = signer.envelope(BUNDLE_TYPE, manifest.canonical())
    (folder / MANIFEST).write_text(envelope.model_dump_json())


def test_an_import(replay, tmp_path):
    """A policy that came over is there with all its files, or the one before is; the same import then goes on."""
    signer = Signer.generate()
    purposes = "approval", "snapshot", "bundle"
    trust = tmp_path / "trust.json"
    trust.write_text(Trust(signer.trusted("portal", *purposes)).dump())
    for sequence in (1, 2):
        _bundle(tmp_path / f"bundle-{sequence}", signer, sequence)
    disk = replay.begin()

    def settings(place):
        return Settings(data=place / "data", trust=trust, replica=True)

    for sequence in (1, 2):
        import_bundle(settings(replay.work), tmp_path / f"bundle-{sequence}", now=NOW, disk=disk)
        disk.tell(str(sequence))
    found = set()
    for place, told in replay.states():
        file = place / "data" / "proxy" / "snapshot.json"
        for path in place.glob("data/proxy/blobs/sha256/*/*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        sequence = _sequence(file, trust)
        store = BlobStore(place / "data" / "proxy" / "blobs")
        assert sequence is None or all(store.has(sha256_hex(data)) for data in BLOBS)
        found.add((told[-1:], sequence))
        done = import_bundle(settings(place), tmp_path / "bundle-2", now=NOW)
        assert _sequence(file, trust) == done.sequence == 2
    assert found == {((), None), ((), 1), (("1",), 1), (("1",), 2), (("2",), 2)}
