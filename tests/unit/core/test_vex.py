from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.allowlist import Allowlist, dump_yaml
from sekisho.errors import BadInputError, CorruptError
from sekisho.policy import compile_snapshot, open_snapshot
from sekisho.policy.sealing import seal_snapshot
from sekisho.signing import Signer, Trust
from sekisho.vex import Excuses, SignedVex, add_vex, openvex, parse_vex, sign_vex, vex_path
from tests.records import NOW, SIGNER, TRUST, policy, statement

GOOD = sign_vex(statement(), SIGNER)
SUBJECT = ("pypi", "numpy", "2.1.0")


def test_a_signed_statement_goes_into_the_tree_and_comes_back():
    files = add_vex({}, GOOD)
    assert list(files) == ["vex/CVE-2026-1.yaml"]
    assert parse_vex(files, trust=TRUST) == ((GOOD,), ())
    assert add_vex(files, GOOD) == {}
    second = sign_vex(statement(id="v-2", project="six"), SIGNER)
    assert parse_vex(add_vex(files, second), trust=TRUST)[0] == (GOOD, second)


def _row(signed=GOOD, **more):
    return {**signed.statement.plain(), "signature": signed.signature.plain(), **more}


OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (_row(releases=["2.0.0"]), "signature does not match"),
        (_row(scope=["team-a"]), "signature does not match"),
        (_row(sign_vex(statement(), OTHER)), "unknown key"),
        (_row(sign_vex(statement(advisory="CVE-2026-2"), SIGNER)), "another advisory than its file"),
        (GOOD.statement.plain(), "no signature"),
        (_row(status="fixed"), "status"),
        (_row(justification="because"), "justification"),
        (_row(releases=[]), "releases"),
        (_row(project="NumPy"), "not normalised"),
        ("words", "no signature"),
    ],
)
def test_a_statement_that_is_not_validly_signed_excuses_nothing(row, why):
    files = {"vex/CVE-2026-1.yaml": dump_yaml({"statements": [row, _row()]})}
    good, refused = parse_vex(files, trust=TRUST)
    assert good == (GOOD,)
    assert why in refused[0].why
    assert refused[0].where == "vex/CVE-2026-1.yaml, statement 1"


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "statements: 7", "statements: [\n", "statements: []\nmore: 1"])
def test_a_file_that_is_none_is_refused(text):
    with pytest.raises(BadInputError) as caught:
        parse_vex({"vex/CVE-2026-1.yaml": text}, trust=TRUST)
    assert caught.value.where.startswith("vex/CVE-2026-1.yaml")


def test_a_signature_for_an_approval_is_none_for_a_statement():
    from sekisho.signing import APPROVAL_TYPE

    wrong = SignedVex(statement=statement(), signature=SIGNER.sign(APPROVAL_TYPE, statement().canonical()))
    with pytest.raises(CorruptError, match="does not match"):
        wrong.verify(TRUST)
    with pytest.raises(CorruptError, match="not trusted"):
        GOOD.verify(Trust(SIGNER.trusted("proxy", "bundle")))


def test_an_excuse_is_found_by_any_name_of_the_advisory_for_its_release_scope_and_time():
    excuses = Excuses([statement(expires=NOW + timedelta(days=1))])
    names = ("GHSA-1", "CVE-2026-1")
    assert [one.id for one in excuses.find(names, SUBJECT, "everyone", NOW)] == ["v-1"]
    assert not excuses.find(("GHSA-1",), SUBJECT, "everyone", NOW)
    assert not excuses.find(names, ("pypi", "numpy", "2.1.1"), "everyone", NOW)
    assert not excuses.find(names, SUBJECT, "team-a", NOW)
    assert not excuses.find(names, SUBJECT, "everyone", NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"advisory": "GHSA-1"}, True),
        ({"releases": ("2.0.0", "2.1.0")}, True),
        ({"approved_by": "ANNA"}, False),
        ({"approved_by": "rita"}, True),
        ({"justification": "component_not_present"}, False),
        ({"advisory": "CVE-2026-2"}, False),
        ({"releases": ("2.0.0",)}, False),
        ({"project": "six"}, False),
        ({"scope": ("team-a",)}, False),
        ({"expires": NOW}, False),
    ],
)
def test_where_two_have_to_say_it_two_different_people_say_the_same(more, counts):
    second = statement(**{"id": "v-2", "approved_by": "otto", "requested_by": "otto", **more})
    first = statement(requested_by="anna")
    excuses = Excuses([first, first, second]).by(2)
    names = ("GHSA-1", "CVE-2026-1")
    assert [one.id for one in excuses.find(names, SUBJECT, "everyone", NOW)] == (["v-1", "v-2"] if counts else [])
    assert not excuses.of_others("Anna").find(names, SUBJECT, "everyone", NOW)
    assert not excuses.of_others(second.approved_by).find(names, SUBJECT, "everyone", NOW)
    assert excuses.by(1).find(names, SUBJECT, "everyone", NOW) == (first,)


def test_statements_are_part_of_the_snapshot_and_checked_with_it():
    made = compile_snapshot(Allowlist(), policy(), (), revision="0" * 40, sequence=1, now=NOW, vex=(GOOD,))
    assert open_snapshot(seal_snapshot(made, SIGNER), TRUST) == made
    forged = made.model_copy(update={"vex": (SignedVex(statement=statement(project="six"), signature=GOOD.signature),)})
    with pytest.raises(CorruptError, match="does not match"):
        open_snapshot(seal_snapshot(forged, SIGNER), TRUST)


def test_others_read_it_as_openvex():
    document = openvex([statement(impact="not used")], id="urn:x", author="us", now=NOW)
    (row,) = document["statements"]
    assert (row["status"], row["justification"]) == ("not_affected", "vulnerable_code_not_present")
    assert row["products"] == [{"@id": "pkg:pypi/numpy@2.1.0"}]
    assert row["vulnerability"] == {"name": "CVE-2026-1"}
    assert row["impact_statement"] == "not used"


def test_a_statement_has_one_place():
    assert vex_path("GHSA-aaaa-bbbb-cccc") == "vex/GHSA-aaaa-bbbb-cccc.yaml"
