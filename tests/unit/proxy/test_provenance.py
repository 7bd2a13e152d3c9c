"""What is relayed as a provenance is of the form, and about the very file."""

import json

import pytest

from sekisho.errors import CorruptError
from sekisho_proxy.provenance import check_provenance
from tests.wheels import make_wheel

WHEEL, OTHER = make_wheel("alpha"), make_wheel("beta")
ARTIFACT = WHEEL.artifact(attested=True)


def _changed(change):
    value = json.loads(WHEEL.provenance())
    change(value, value["attestation_bundles"][0]["attestations"])
    return json.dumps(value).encode()


def test_a_provenance_of_the_file_is_relayed():
    check_provenance(WHEEL.provenance(), ARTIFACT)
    check_provenance(_changed(lambda _, all_: all_.append(all_[0])), ARTIFACT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        OTHER.provenance(),
        _changed(lambda value, _: value.update(version=2)),
        _changed(lambda value, _: value.update(attestation_bundles=[])),
        _changed(lambda value, _: value.update(attestation_bundles={"a": 1})),
        _changed(lambda _, all_: all_.clear()),
        _changed(lambda _, all_: all_[0].update(version=2)),
        _changed(lambda _, all_: all_[0].update(verification_material={})),
        _changed(lambda _, all_: all_[0]["envelope"].update(signature="")),
        _changed(lambda _, all_: all_[0]["envelope"].update(statement="!")),
        _changed(lambda _, all_: all_[0]["envelope"].update(statement="e30=")),
        _changed(
            lambda _, all_: all_.append(json.loads(OTHER.provenance())["attestation_bundles"][0]["attestations"][0])
        ),
    ],
)
def test_anything_else_is_not(data):
    with pytest.raises(CorruptError):
        check_provenance(data, ARTIFACT)
