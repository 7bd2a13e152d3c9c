import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekisho.errors import CorruptError
from sekisho.merkle import leaf_hash, parse_checkpoint, root_hash, sign_checkpoint
from tests.records import SIGNER

# RFC 6962's reference implementation: the roots of trees over the first 0, 1, 2, … of these leaves.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_rfc_6962(size):
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert root_hash(leaves).hex() == ROOTS[size]


def test_a_checkpoint_says_how_many_rows_and_which_root():
    text = sign_checkpoint("sekisho", 3, bytes(range(32)), SIGNER)
    assert parse_checkpoint(text) == ("sekisho", 3, bytes(range(32)))


def _verify(text, public):
    """Check a note as C2SP's ``signed-note`` says: the key's hash, and the signature over the text before the blank line."""
    body, _, line = text.partition("\n\n")
    dash, name, encoded = line.rstrip("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert dash == "\u2014"
    assert raw[:4] == hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], f"{body}\n".encode())


def test_the_signature_of_a_checkpoint_verifies_as_a_signed_note():
    _verify(sign_checkpoint("sekisho", 3, bytes(32), SIGNER), SIGNER.public)


def test_the_signature_of_a_checkpoint_covers_its_size():
    text = sign_checkpoint("sekisho", 3, bytes(32), SIGNER)
    with pytest.raises(InvalidSignature):
        _verify(text.replace("\n3\n", "\n4\n"), SIGNER.public)


@pytest.mark.parametrize("text", ["", "sekisho", "sekisho\nmany\nAAAA\n", "sekisho\n3\nnot base64\n", "sekisho\n3"])
def test_what_is_no_checkpoint_is_corrupt(text):
    with pytest.raises(CorruptError):
        parse_checkpoint(text)
