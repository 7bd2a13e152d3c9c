"""The Merkle tree of RFC 6962 section 2.1, and checkpoints in the C2SP ``tlog-checkpoint`` format. Pure."""

import base64
import hashlib
from collections.abc import Iterable

from sekisho.errors import CorruptError
from sekisho.signing import Signer, Trust


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Iterable[bytes]) -> bytes:
    """Return the tree's root from its leaf hashes, in one pass and in logarithmic memory."""
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, digest = 0, leaf
        while peaks and peaks[-1][0] == height:
            digest = _node(peaks.pop()[1], digest)
            height += 1
        peaks.append((height, digest))
    if not peaks:
        return hashlib.sha256(b"").digest()
    _, root = peaks.pop()
    while peaks:
        root = _node(peaks.pop()[1], root)
    return root


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def sign_checkpoint(origin: str, size: int, root: bytes, signer: Signer) -> str:
    """Return a signed checkpoint (C2SP ``signed-note``, Ed25519)."""
    body = checkpoint_body(origin, size, root)
    key_hash = hashlib.sha256(origin.encode() + b"\n\x01" + signer.public).digest()[:4]
    signature = base64.b64encode(key_hash + signer.raw(body.encode())).decode()
    return f"{body}\n\u2014 {origin} {signature}\n"


def open_checkpoint(text: str, trust: Trust) -> tuple[str, int, bytes]:
    """Return (origin, size, root) of a checkpoint that a trusted key signed; raise ``CorruptError`` otherwise."""
    body, _, notes = text.partition("\n\n")
    origin, size, root = parse_checkpoint(text)
    if checkpoint_body(origin, size, root) != f"{body}\n":
        raise CorruptError("this is not a checkpoint")
    for note in notes.splitlines():
        _, _, encoded = note.removeprefix("\u2014 ").rpartition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)[4:]
        except ValueError:
            continue
        if trust.signed("checkpoint", f"{body}\n".encode(), signature, rows=size):
            return origin, size, root
    raise CorruptError("the checkpoint is not signed by a trusted key")


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Return (origin, size, root) of a checkpoint; the signature is not looked at."""
    try:
        origin, size, root = text.split("\n")[:3]
        return origin, int(size), base64.b64decode(root, validate=True)
    except ValueError as error:
        raise CorruptError("this is not a checkpoint") from error
