import base64
import json

import pytest

from sekisho.errors import BadInputError, CorruptError, NotFoundError
from sekisho.keys import load_trust
from sekisho.signing import APPROVAL_TYPE, SNAPSHOT_TYPE, Envelope, Signer, Trust, TrustedKey, pre_authentication
from tests.records import SIGNER, TRUST

PAYLOAD = b'{"a":1}'
OTHER = Signer.generate()


def _envelope(signer=SIGNER, payload_type=SNAPSHOT_TYPE, **more):
    return signer.envelope(payload_type, PAYLOAD).model_copy(update=more)


def test_the_signed_bytes_are_dsse_version_1():
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_an_envelope_of_a_trusted_key_opens():
    assert TRUST.open("snapshot", SNAPSHOT_TYPE, _envelope()) == PAYLOAD


def test_the_same_key_and_content_give_the_same_signature():
    assert SIGNER.sign(APPROVAL_TYPE, PAYLOAD) == SIGNER.sign(APPROVAL_TYPE, PAYLOAD)


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        (_envelope(OTHER), "unknown key"),
        (_envelope(payload=base64.b64encode(b'{"a":2}').decode()), "does not match"),
        (_envelope(payload="not base64!"), "not valid base64"),
        (_envelope(signatures=()), "not signed"),
        (_envelope(payload_type=APPROVAL_TYPE), "not 'application/vnd.sekisho.snapshot"),
        (_envelope(payload_type=APPROVAL_TYPE, payloadType=SNAPSHOT_TYPE), "does not match"),
        (
            _envelope(signatures=(SIGNER.sign(SNAPSHOT_TYPE, PAYLOAD).model_copy(update={"sig": "AAAA"}),)),
            "does not match",
        ),
        (
            _envelope(signatures=(SIGNER.sign(SNAPSHOT_TYPE, PAYLOAD).model_copy(update={"sig": "é"}),)),
            "not valid base64",
        ),
    ],
    ids=["key", "payload", "base64", "unsigned", "type", "relabelled", "short signature", "odd signature"],
)
def test_an_envelope_that_does_not_hold_stays_closed(envelope, why):
    with pytest.raises(CorruptError, match=why):
        TRUST.open("snapshot", SNAPSHOT_TYPE, envelope)


def test_a_key_opens_nothing_that_it_is_not_trusted_for():
    trust = Trust(SIGNER.trusted("portal", "approval"))
    with pytest.raises(CorruptError, match="not trusted to sign a snapshot"):
        trust.open("snapshot", SNAPSHOT_TYPE, _envelope())


def test_one_good_signature_among_foreign_ones_is_enough():
    foreign = OTHER.sign(SNAPSHOT_TYPE, PAYLOAD)
    envelope = _envelope(signatures=(foreign, SIGNER.sign(SNAPSHOT_TYPE, PAYLOAD)))
    assert TRUST.open("snapshot", SNAPSHOT_TYPE, envelope) == PAYLOAD


def test_a_key_id_cannot_be_borrowed():
    borrowed = OTHER.sign(SNAPSHOT_TYPE, PAYLOAD).model_copy(update={"keyid": SIGNER.keyid})
    with pytest.raises(CorruptError, match="does not match"):
        TRUST.open("snapshot", SNAPSHOT_TYPE, _envelope(signatures=(borrowed,)))


def test_a_trusted_key_of_the_wrong_length_is_corrupt():
    short = TrustedKey(name="short", public=base64.b64encode(b"x").decode(), purposes=("snapshot",))
    signature = SIGNER.sign(SNAPSHOT_TYPE, PAYLOAD).model_copy(update={"keyid": short.keyid})
    with pytest.raises(CorruptError, match="'short'"):
        Trust(short).check("snapshot", SNAPSHOT_TYPE, PAYLOAD, signature)


def test_trust_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / "trust.json"
    path.write_text(TRUST.dump())
    assert load_trust(path).keys == TRUST.keys


def test_a_missing_trust_file_says_where_it_comes_from(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        load_trust(tmp_path / "trust.json")
    assert "by hand" in caught.value.todo


@pytest.mark.parametrize(
    "text", ["{", "{}", '[{"name": "x"}]', '[{"name": "x", "public": "", "purposes": ["root"]}]', "3"]
)
def test_a_trust_file_of_another_form_is_bad_input(tmp_path, text):
    path = tmp_path / "trust.json"
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        load_trust(path)
    assert caught.value.where == str(path)


def test_an_envelope_with_more_keys_is_refused():
    plain = json.loads(_envelope().canonical()) | {"extra": 1}
    with pytest.raises(BadInputError, match="extra"):
        Envelope.parse(plain, where="x")
