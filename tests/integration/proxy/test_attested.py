"""Who published a candidate: verified by the real inspector, remembered, and found out again when the root changes."""

import json

import pytest

from tests.integration.proxy.house import House
from tests.sigstore_of_ours import OwnSigstore, provenance

REPOSITORY = "acme/alpha"
OURS = OwnSigstore()


@pytest.fixture
def rooted(house, tmp_path):
    """The installation, with a trust root of its own."""
    root = tmp_path / "root.json"
    root.write_bytes(OURS.root())
    house.settings = house.settings.model_copy(update={"sigstore_root": root})
    house.settle()
    return house


def _attest(upstream, sigstore=OURS, repository=REPOSITORY):
    upstream.provenance = True
    wheel = upstream.wheels[0]
    signed = sigstore.attestation(wheel.filename, wheel.sha256, repository=REPOSITORY)
    upstream.provenances[wheel.filename] = provenance(signed, repository=repository)
    return wheel.artifact(attested=True)


def _facts(house: House, client, artifact):
    answer = client.post("/quarantine", json={"artifacts": [artifact.plain()]}, auth=house.basic())
    [line] = answer.text.splitlines()
    return json.loads(line)["facts"]


def test_a_verified_publisher_is_a_fact_that_is_verified_once(rooted, upstream):
    artifact = _attest(upstream)
    with rooted.open() as client:
        facts = _facts(rooted, client, artifact)
        assert [one["repository"] for one in facts["attestations"]] == [REPOSITORY]
        assert "findings" not in facts
        assert _facts(rooted, client, artifact) == facts
        assert len(upstream.paths("/integrity/")) == 1


def test_what_is_forged_is_a_finding_and_the_file_is_inspected_all_the_same(rooted, upstream):
    artifact = _attest(upstream, repository="acme/other")
    with rooted.open() as client:
        facts = _facts(rooted, client, artifact)
    assert "attestations" not in facts
    assert [finding["code"] for finding in facts["findings"]] == ["unverified_provenance"]
    assert facts["license_expression"] == "MIT"


def test_another_files_provenance_one_that_is_gone_and_one_that_cannot_be_had_are_findings(rooted, upstream):
    artifact = _attest(upstream)
    wheel = upstream.wheels[0]
    with rooted.open() as client:
        upstream.provenances[wheel.filename] = upstream.wheels[1].provenance()
        assert "another file" in _facts(rooted, client, artifact)["findings"][0]["detail"]
        for fault in ("404", "500"):
            upstream.faults = {"/integrity/": fault}
            [finding] = _facts(rooted, client, artifact)["findings"]
            assert finding["code"] == "unverified_provenance"
        upstream.faults = {}
        _attest(upstream)
        assert _facts(rooted, client, artifact)["attestations"]


def test_a_new_trust_root_counts_at_once(rooted, upstream):
    other = OwnSigstore()
    artifact = _attest(upstream, other)
    with rooted.open() as client:
        assert "attestations" not in _facts(rooted, client, artifact)
        rooted.settings.sigstore_root.write_bytes(other.root())
        assert _facts(rooted, client, artifact)["attestations"]
        rooted.settings.sigstore_root.unlink()
        [finding] = _facts(rooted, client, artifact)["findings"]
        assert "the trust root cannot be read" in finding["detail"]
