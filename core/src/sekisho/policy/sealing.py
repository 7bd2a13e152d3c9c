"""How a snapshot travels: a signed head that names parts by their SHA-256, and the parts.

A change of the policy changes the head and the parts that hold what changed. So whoever has the snapshot before needs
only these, and neither side writes, reads or verifies the rest again.
"""

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple
from zlib import crc32

from sekisho.allowlist import SignedApproval
from sekisho.errors import CorruptError
from sekisho.model import Record, Sha256, canonical_json, sha256_hex
from sekisho.policy.snapshot import Head, Snapshot
from sekisho.policy.snapshot import Sequence as Number
from sekisho.signing import SNAPSHOT_TYPE, Signer, Trust
from sekisho.succession import KeyStatement, Sealed, follow, seal, statements_of
from sekisho.zstd import ZstdDecompressor, compress

_PIECE = 1 << 20
"""Bytes that are written at once, or somewhat more."""

_ROUND = 8
"""A part ends before one of so many projects, chosen by name: what is put in or taken out moves no other end."""


class SealedSnapshot(Record):
    """A snapshot as it is signed, kept and sent. ``parts`` may lack those that the receiver has."""

    head: Sealed
    parts: tuple[str, ...] = ()

    @classmethod
    def take(cls, data: bytes | bytearray) -> "SealedSnapshot":
        """Read what arrived; a ``bytearray`` is emptied then, for it may be large. Raises ``BadInputError``."""
        try:
            return cls.parse_json(data, where="policy snapshot")
        finally:
            if isinstance(data, bytearray):
                data.clear()

    @cached_property
    def by_hash(self) -> Mapping[str, str]:
        """Return the parts by the SHA-256 of their text."""
        return {sha256_hex(part.encode()): part for part in self.parts}

    def without(self, known: Collection[str]) -> "SealedSnapshot":
        """Return the same snapshot without the parts whose SHA-256 is ``known``."""
        return SealedSnapshot(
            head=self.head, parts=tuple(text for key, text in self.by_hash.items() if key not in known)
        )


class Part(Record):
    """Some approvals of a snapshot, in their order, and their numbers in ``Snapshot.since``, if there are any."""

    approvals: tuple[SignedApproval, ...]
    since: tuple[tuple[Number, ...], ...] = ()


class _SealedHead(Head):
    """The payload that is signed. ``parts`` are in the order of the approvals."""

    parts: tuple[Sha256, ...] = ()


class _Written(NamedTuple):
    part: Part
    sha256: str
    text: str


class Sealer:
    """Seals one snapshot after another; a part that is as it was is not written again."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def seal(self, snapshot: Snapshot, signer: Signer, keys: Iterable[KeyStatement] = ()) -> SealedSnapshot:
        """Sign a snapshot; ``keys`` lead those who trust an older key to this one."""
        with collector_at_rest():
            rows = [self._write(part) for part in _parts(snapshot)]
            self._written = {row.part.approvals[0].signature.sig: row for row in rows}
            head = _SealedHead.model_construct(**_head_of(snapshot), parts=tuple(row.sha256 for row in rows))
            sealed = seal(signer.envelope(SNAPSHOT_TYPE, head.canonical()), keys)
        return SealedSnapshot(head=sealed, parts=tuple(row.text for row in rows))

    def _write(self, part: Part) -> _Written:
        before = self._written.get(part.approvals[0].signature.sig)
        if before and before.part == part:
            return before
        data = part.canonical()
        return _Written(part, sha256_hex(data), data.decode())


class Opened(NamedTuple):
    """A snapshot, as it was sealed, and the statements on keys that count.

    These stand beside the sealed one, so that who reads it again forgets none. ``packed`` are its parts by sha256, in
    order.
    """

    snapshot: Snapshot
    head: Sealed
    packed: Mapping[str, bytes]
    keys: tuple[KeyStatement, ...]

    @property
    def sealed(self) -> SealedSnapshot:
        """Return the snapshot as it was sealed, with all its parts and nothing else."""
        return self.without(())

    def written(self) -> Iterator[bytes]:
        """Yield the canonical form of ``sealed`` in pieces, so that it is never in memory as a whole."""
        before, some, size = b',"parts":[', [b'{"head":', self.head.canonical()], 0
        for packed in self.packed.values():
            some += before, canonical_json(_unpacked(packed))
            before, size = b",", size + len(some[-1])
            if size >= _PIECE:
                yield b"".join(some)
                some, size = [], 0
        yield b"".join((*some, b"]}" if self.packed else b"}"))

    def without(self, known: Collection[str]) -> SealedSnapshot:
        """Return the same without the parts whose SHA-256 is ``known``."""
        parts = (_unpacked(text) for sha256, text in self.packed.items() if sha256 not in known)
        return SealedSnapshot(head=self.head, parts=tuple(parts))


class _Known(NamedTuple):
    """A part that holds, and its text, packed: of all that is approved it is a tenth."""

    part: Part
    packed: bytes


def _unpacked(text: bytes) -> str:
    return ZstdDecompressor().decompress(text).decode()


class Opener:
    """Opens one snapshot after another; a part that held before with the same trusted keys need not be read again."""

    def __init__(self) -> None:
        self._trust = ""
        self._known: dict[str, _Known] = {}

    def open(self, sealed: SealedSnapshot, trust: Trust) -> Opened:
        """Verify a sealed snapshot and all that is signed in it; parts of the one before may be missing from it.

        Statements on keys beside it are followed first.

        Raises ``CorruptError`` for anything that does not hold, and for a part that is neither in it nor known.
        """
        trust = follow(trust, sealed.head.keys)
        if self._trust != trust.stamp:
            self._trust, self._known = trust.stamp, {}
        with collector_at_rest():
            head, sealed_head, texts = _open_head(sealed, trust), sealed.head, dict(sealed.by_hash)
            del sealed  # so that the text of a part is gone once it was read: all of them take half of what they say
            verified = self._verified() if texts else {}
            known: dict[str, _Known] = {}
            for sha256 in head.parts:
                if sha256 not in known:
                    text = texts.pop(sha256, None)
                    known[sha256] = self._known.get(sha256) or _open_part(sha256, text, trust, verified)
            for statement in head.vex:
                statement.verify(trust)
            snapshot = _joined(head, [known[sha256].part for sha256 in head.parts])
        self._known = known
        keys = statements_of(trust)
        sealed_head = sealed_head.model_copy(update={"keys": keys})
        return Opened(snapshot, sealed_head, {sha256: known[sha256].packed for sha256 in head.parts}, keys)

    def _verified(self) -> Mapping[str, SignedApproval]:
        """Return what is known to be signed, by its signature."""
        return {one.signature.sig: one for known in self._known.values() for one in known.part.approvals}


def _open_head(sealed: SealedSnapshot, trust: Trust, *, ended: bool = False) -> _SealedHead:
    payload = trust.open("snapshot", SNAPSHOT_TYPE, sealed.head, ended=ended)
    return _SealedHead.parse_json(payload, where="policy snapshot")


def _joined(head: _SealedHead, parts: Sequence[Part]) -> Snapshot:
    approvals = tuple(signed for part in parts for signed in part.approvals)
    since = tuple(row for part in parts for row in part.since)
    return Snapshot.parse({**_head_of(head), "approvals": approvals, "since": since}, where="policy snapshot")


def _head_of(value: Head) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Head.model_fields}


def _open_part(
    sha256: str, text: str | None, trust: Trust | None, verified: Mapping[str, SignedApproval] | None = None
) -> _Known:
    """Return a part of that text; without ``trust`` what is signed in it is not verified.

    An approval that is equal to one that was ``verified`` is taken from there: of many only the numbers change.
    """
    if text is None:
        raise CorruptError(f"part {sha256[:16]} of the policy snapshot is missing", todo="ask for the whole snapshot")
    part = Part.parse_json(text, where=f"part {sha256[:16]} of the policy snapshot")
    approvals = tuple(_held(signed, trust, verified or {}) for signed in part.approvals) if trust else part.approvals
    part = Part.model_construct(approvals=approvals, since=part.since)
    _share(part)
    return _Known(part, compress(text.encode(), 1))


def _held(signed: SignedApproval, trust: Trust, verified: Mapping[str, SignedApproval]) -> SignedApproval:
    """Return an approval that holds: the one that was verified, if they are equal in everything."""
    before = verified.get(signed.signature.sig)
    if before is not None and before == signed:
        return before
    signed.verify(trust)
    return signed


_SETS: dict[frozenset[str], set[str]] = {}
_NOTHING: dict[str, str] = {}


def _share(part: Part) -> None:
    """Let all records that state the same keys share the set of these, which is a third of what a file takes."""
    for signed in part.approvals:
        for record in (signed, signed.approval, signed.signature, *signed.approval.artifacts):
            stated = record.model_fields_set
            shared = _SETS.setdefault(frozenset(stated), stated)
            object.__setattr__(record, "__pydantic_fields_set__", shared)
        for artifact in signed.approval.artifacts:
            if not artifact.built_with:
                artifact.__dict__["built_with"] = _NOTHING


def seal_snapshot(snapshot: Snapshot, signer: Signer, keys: Iterable[KeyStatement] = ()) -> SealedSnapshot:
    """Sign one snapshot; ``keys`` lead those who trust an older key to this one."""
    return Sealer().seal(snapshot, signer, keys)


def open_snapshot(sealed: SealedSnapshot, trust: Trust) -> Snapshot:
    """Verify one whole snapshot; raise what ``Opener.open`` raises."""
    return Opener().open(sealed, trust).snapshot


def read_ended(sealed: SealedSnapshot, trust: Trust) -> Snapshot:
    """Return what was in force by a key that may have been revoked since; nobody may be served by it."""
    head = _open_head(sealed, trust, ended=True)
    return _joined(head, [_open_part(sha256, sealed.by_hash.get(sha256), None).part for sha256 in head.parts])


def _parts(snapshot: Snapshot) -> Iterator[Part]:
    approvals, since = snapshot.approvals, snapshot.since
    if not approvals:
        return
    cuts = [number for number in range(1, len(approvals)) if _ends(approvals[number - 1], approvals[number])]
    for start, end in pairwise((0, *cuts, len(approvals))):
        yield Part.model_construct(approvals=approvals[start:end], since=since[start:end])


def _ends(one: SignedApproval, other: SignedApproval) -> bool:
    """Tell whether a part ends between two neighbours."""
    project = other.approval.artifacts[0].project
    return project != one.approval.artifacts[0].project and crc32(project.encode()) % _ROUND == 0


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Build many records without Python's collector of cycles, which would walk them over and over; they have none.

    With 20,000 approvals that is two thirds of the time. Whoever finds it running sets it going again.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
