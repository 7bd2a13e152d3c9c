"""Attestations (PEP 740): what holds names its publisher, whatever is spoilt counts for nothing. Without a network."""

import base64
import json

import pytest

from sekisho_proxy.inspect.attestation import verify_provenance
from sekisho_proxy.inspect.wheel import Job
from tests.sigstore_of_ours import OwnSigstore, provenance
from tests.wheels import make_wheel

WHEEL, OTHER = make_wheel("alpha"), make_wheel("beta")
REPOSITORY = "acme/alpha"
OURS = OwnSigstore()
SOUND = OURS.attestation(WHEEL.filename, WHEEL.sha256, repository=REPOSITORY)


@pytest.fixture
def verify(tmp_path):
    """Verify a provenance of the wheel; give the facts."""

    def look(data, *, root=None):
        (tmp_path / "provenance").write_bytes(data)
        (tmp_path / "root.json").write_bytes(OURS.root() if root is None else root)
        return verify_provenance(
            Job(
                path=str(tmp_path / "provenance"),
                filename=WHEEL.filename,
                sha256=WHEEL.sha256,
                provenance=str(tmp_path / "provenance"),
                trust_root="" if root == b"" else str(tmp_path / "root.json"),
            )
        )

    return look


def _of(*attestations, **more):
    return provenance(*attestations, **{"repository": REPOSITORY, **more})


def _spoilt(change):
    value = json.loads(json.dumps(SOUND))
    change(value, value["verification_material"]["transparency_entries"][0])
    return _of(value)


def _statement(**changes):
    """Change what is signed, and nothing else: the signature is over something else then."""

    def change(value, _entry):
        said = json.loads(base64.b64decode(value["envelope"]["statement"])) | changes
        value["envelope"]["statement"] = base64.b64encode(json.dumps(said).encode()).decode()

    return _spoilt(change)


def _flipped(text):
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(data).decode()


def test_what_holds_names_its_publisher(verify):
    facts = verify(_of(SOUND, SOUND))
    [found] = facts.attestations
    assert (found.publisher, found.repository, found.workflow) == ("GitHub", REPOSITORY, "release.yml")
    assert facts.findings == ()


MANY = [SOUND] * 30
FORGED = {
    "about another file": _of(OURS.attestation(WHEEL.filename, OTHER.sha256, repository=REPOSITORY)),
    "of another name": _of(OURS.attestation(OTHER.filename, WHEEL.sha256, repository=REPOSITORY)),
    "of no file's name": _of(OURS.attestation("alpha", WHEEL.sha256, repository=REPOSITORY)),
    "of another release": _of(OURS.attestation("alpha-2.0-py3-none-any.whl", WHEEL.sha256, repository=REPOSITORY)),
    "by another repository than it says": _of(SOUND, repository="acme/other"),
    "by another workflow than it says": _of(SOUND, workflow="other.yml"),
    "of a kind nobody knows": _of(
        OURS.attestation(WHEEL.filename, WHEEL.sha256, repository=REPOSITORY, predicate="https://x.test/v1")
    ),
    "by a certificate authority of somebody's own": _of(
        OwnSigstore().attestation(WHEEL.filename, WHEEL.sha256, repository=REPOSITORY)
    ),
    "in a log of somebody's own": _of(
        OwnSigstore(ca=OURS.ca, certificates=OURS.certificates).attestation(
            WHEEL.filename, WHEEL.sha256, repository=REPOSITORY
        )
    ),
    "with a certificate that was never logged": _of(
        OwnSigstore(ca=OURS.ca, log=OURS.log).attestation(WHEEL.filename, WHEEL.sha256, repository=REPOSITORY)
    ),
    "a changed statement": _statement(predicate={"more": 1}),
    "a changed signature": _spoilt(lambda value, _: value["envelope"].update(signature=_flipped(value["envelope"]["signature"]))),
    "another's log entry": _spoilt(lambda value, _: value["verification_material"].update(
        transparency_entries=OURS.attestation(WHEEL.filename, WHEEL.sha256, repository=REPOSITORY)["verification_material"]["transparency_entries"])),
    "another's certificate": _spoilt(lambda value, _: value["verification_material"].update(
        certificate=OURS.attestation(WHEEL.filename, WHEEL.sha256, repository="acme/other")["verification_material"]["certificate"])),
    "no log entry": _spoilt(lambda value, _: value["verification_material"].update(transparency_entries=[])),
    "a later time": _spoilt(lambda _, entry: entry.update(integratedTime="1999999999")),
    "no promise": _spoilt(lambda _, entry: entry.pop("inclusionPromise")),
    "another root": _spoilt(lambda _, entry: entry["inclusionProof"].update(rootHash=_flipped(entry["inclusionProof"]["rootHash"]))),
    "a changed entry": _spoilt(lambda _, entry: entry.update(canonicalizedBody=_flipped(entry["canonicalizedBody"]))),
    "no certificate": _spoilt(lambda value, _: value["verification_material"].update(certificate="AA==")),
    "of no form": _spoilt(lambda value, _: value.update(version=2)),
    "a publisher of no kind": json.dumps({"version": 1, "attestation_bundles": [{"publisher": {"kind": "me"}, "attestations": [SOUND]}]}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_never_counts_and_is_found(verify, name):
    facts = verify(FORGED[name])
    assert facts.attestations == ()
    [finding] = facts.findings
    assert finding.code == "unverified_provenance"
    assert finding.detail.isprintable()


def test_one_that_holds_is_no_excuse_for_one_that_does_not(verify):
    forged = OURS.attestation(WHEEL.filename, OTHER.sha256, repository=REPOSITORY)
    facts = verify(_of(SOUND, forged))
    assert len(facts.attestations) == len(facts.findings) == 1


def test_only_so_many_are_looked_at(verify):
    facts = verify(_of(*MANY))
    assert [finding.detail for finding in facts.findings] == ["it has more than 20 attestations"]


@pytest.mark.parametrize("root", [b"", b"{}", b"no", OwnSigstore().root()])
def test_by_another_trust_root_or_none_nothing_holds(verify, root):
    facts = verify(_of(SOUND), root=root)
    assert facts.attestations == ()
    assert [finding.code for finding in facts.findings] == ["unverified_provenance"]
