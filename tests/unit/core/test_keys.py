from concurrent.futures import ThreadPoolExecutor

import pytest

from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.keys import load_or_create_signer, load_signer, load_trust, open_signer
from sekisho.settings import Settings
from sekisho.signing import Signer, Trust
from tests.processes import run_at_once

OPEN = """
import sys
from pathlib import Path
from sekisho.keys import open_signer
from sekisho.settings import Settings
# at once
print(open_signer(Settings(data=Path(sys.argv[1])), sys.argv[2]).keyid)
"""


def test_processes_that_start_at_once_share_one_key_and_list_it_once(tmp_path):
    names = ["portal", "portal", "export", "portal"]
    keys = [said.strip() for said in run_at_once(OPEN, [(str(tmp_path), name) for name in names])]
    assert len(set(keys)) == 2
    assert keys[0] == keys[1] == keys[3]
    assert {key.name: keyid for keyid, key in load_trust(tmp_path / "trust.json").keys.items()} == {
        "portal": keys[0],
        "export": keys[2],
    }


def test_threads_that_start_at_once_share_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_or_create_signer(tmp_path / "key.pem").keyid, range(8)))
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_can_be_read_by_its_owner_only(tmp_path):
    load_or_create_signer(tmp_path / "keys" / "key.pem")
    assert (tmp_path / "keys" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_each_key_is_trusted_for_its_own_purposes(tmp_path):
    settings = Settings(data=tmp_path)
    for name in ("portal", "export"):
        open_signer(settings, name)
    assert {key.name: key.purposes for key in load_trust(settings.trust_file).keys.values()} == {
        "portal": ("approval", "snapshot", "checkpoint"),
        "export": ("bundle",),
    }


def test_keys_that_somebody_added_to_the_trust_file_stay(tmp_path):
    settings = Settings(data=tmp_path)
    approver = Signer.generate().trusted("an approver", "approval")
    settings.trust_file.write_text(Trust(approver).dump())
    signer = open_signer(settings, "portal")
    assert set(load_trust(settings.trust_file).keys) == {approver.keyid, signer.keyid}


def test_a_missing_key_says_how_it_is_made(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        load_signer(tmp_path / "none.pem")
    assert "start the portal" in caught.value.todo


def test_a_key_file_of_rubbish_is_corrupt(tmp_path):
    (tmp_path / "key.pem").write_text("rubbish")
    with pytest.raises(CorruptError):
        load_signer(tmp_path / "key.pem")


def test_a_key_of_another_kind_is_refused(tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    pem = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    with pytest.raises(BadInputError, match="not an Ed25519 key"):
        load_signer(tmp_path / "key.pem")
