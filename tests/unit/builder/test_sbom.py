"""Bills of materials: by the schemas of CycloneDX and SPDX, complete, and the same for the same image."""

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from sekisho.model import Edge, sha256_hex
from tests.unit.builder.gating import SYSTEM, Gating, entry
from tests.wheels import make_wheel


@pytest.fixture
def made(tmp_path):
    """(gating, its result, CycloneDX, SPDX) of an image of two wheels, one of them without a known licence."""
    gating = Gating(tmp_path)
    gating.wheels = (make_wheel("alpha"), make_wheel("beta", "2.0"))
    alpha = gating.wheels[0].artifact()
    gating.more = {
        "licences": {alpha.sha256: "MIT OR Apache-2.0"},
        "edges": (Edge(project="alpha", needs="beta"),),
    }
    result = gating.run("sbom")
    assert result.status == "passed", result.evidence
    return gating, result, *(json.loads(gating.kept[name]) for name in ("sbom.cdx.json", "sbom.spdx.json"))


def test_the_schemas_hold(made):
    gating, _, _, spdx = made
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(gating.kept["sbom.cdx.json"].decode())
    assert problem is None, problem
    document = JsonLikeDictParser().parse(spdx)
    assert not [message.validation_message for message in validate_full_spdx_document(document, "SPDX-2.3")]


def test_the_validators_see_what_is_wrong(made):
    _, _, cyclonedx, spdx = made
    cyclonedx["components"][0]["hashes"] = [{"alg": "SHA-256", "content": "none"}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx)) is not None
    spdx["packages"][1]["licenseDeclared"] = "LicenseRef-unnamed"
    assert validate_full_spdx_document(JsonLikeDictParser().parse(spdx), "SPDX-2.3")


def test_all_that_is_in_the_image_is_named_with_hash_licence_and_purl(made):
    gating, result, cyclonedx, spdx = made
    parts = {part["name"]: part for part in cyclonedx["components"]}
    assert set(parts) == {"alpha", "beta", "libsmall1", "some"}
    alpha = gating.wheels[0].artifact()
    assert parts["alpha"]["purl"] == alpha.purl
    assert parts["alpha"]["hashes"] == [{"alg": "SHA-256", "content": alpha.sha256}]
    assert parts["alpha"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert "licenses" not in parts["beta"]
    assert parts["libsmall1"]["purl"] == "pkg:deb/debian/libsmall1@1%3A1.0-2%2Bdeb12u1?arch=amd64&distro=debian-12"
    assert parts["libsmall1"]["licenses"] == [{"expression": "GPL-2.0-or-later AND MIT"}]
    packages = {one["name"]: one for one in spdx["packages"]}
    assert set(packages) == {"small", "alpha", "beta", "libsmall1", "some"}
    assert packages["alpha"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": alpha.sha256}]
    assert packages["beta"]["licenseDeclared"] == "NOASSERTION"
    assert {one["referenceLocator"] for package in packages.values() for one in package.get("externalRefs", ())} == {
        part["purl"] for part in parts.values()
    }
    depends = [row for row in spdx["relationships"] if row["relationshipType"] == "DEPENDS_ON"]
    assert depends == [
        {
            "spdxElementId": packages["alpha"]["SPDXID"],
            "relationshipType": "DEPENDS_ON",
            "relatedSpdxElement": packages["beta"]["SPDXID"],
        }
    ]
    needs = {row["ref"]: row.get("dependsOn") for row in cyclonedx["dependencies"]}
    assert needs[alpha.purl] == [parts["beta"]["purl"]]
    assert result.evidence[0].startswith(f"sbom.cdx.json: sha256:{sha256_hex(gating.kept['sbom.cdx.json'])}")


def test_the_same_image_has_the_same_documents_and_another_has_others(made):
    gating = made[0]
    kept = dict(gating.kept)
    gating.run("sbom")
    assert gating.kept == kept
    gating.wheels = gating.wheels[:1]
    gating.run("sbom")
    first, second = (json.loads(one["sbom.cdx.json"])["serialNumber"] for one in (kept, gating.kept))
    assert first != second


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("GPL-3+", "GPL-3.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later"),
        ("BSD-3-clause and (Apache-2.0 or public-domain)", "Apache-2.0 AND BSD-3-Clause AND LicenseRef-Debian-public-domain"),
    ],
)  # fmt: skip
def test_what_debian_calls_a_licence_is_said_in_the_words_of_spdx(tmp_path, said, found):
    gating = Gating(tmp_path)
    text = (
        SYSTEM["usr/share/doc/libsmall1/copyright"].split(b"\n\nLicense")[0].replace(b"GPL-2+ or Expat", said.encode())
    )
    gating.base[-1] = entry("usr/share/doc/libsmall1/copyright", text)
    gating.run("sbom")
    parts = {part["name"]: part for part in json.loads(gating.kept["sbom.cdx.json"])["components"]}
    assert parts["libsmall1"]["licenses"] == [{"expression": found}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(gating.kept["sbom.cdx.json"].decode()) is None
    document = JsonLikeDictParser().parse(json.loads(gating.kept["sbom.spdx.json"]))
    assert not validate_full_spdx_document(document, "SPDX-2.3")
