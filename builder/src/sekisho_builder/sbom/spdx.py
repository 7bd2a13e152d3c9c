"""SPDX 2.3 (ISO/IEC 5962 is 2.2.1) as JSON."""

import re
from collections.abc import Iterator
from typing import Any

from sekisho.model import sha256_hex
from sekisho_builder.sbom.inventory import TOOL, VERSION, Component, Inventory

_UNSAID = "NOASSERTION"
_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_PURPOSE = {"library": "LIBRARY", "operating-system": "OPERATING-SYSTEM", "container": "CONTAINER"}


def to_spdx(inventory: Inventory) -> dict[str, Any]:
    """Return the document. What is unknown is ``NOASSERTION``; licences that SPDX lacks are named at the end."""
    names = {component.purl: _id(component) for component in inventory.components}
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{inventory.name}@sha256:{inventory.manifest}",
        "documentNamespace": f"urn:uuid:{inventory.uuid}",
        "creationInfo": {"created": inventory.created, "creators": [f"Tool: {TOOL}-{VERSION}"]},
        "packages": [
            _image(inventory),
            *(_package(component, names[component.purl]) for component in inventory.components),
        ],
        "relationships": list(_relationships(inventory, names)),
        "hasExtractedLicensingInfos": list(_licences(inventory)),
    }


def _id(component: Component) -> str:
    """Return an identifier of letters, digits, dots and dashes (SPDX 2.3, 7.2), which follows from the purl."""
    return f"SPDXRef-Package-{sha256_hex(component.purl.encode())[:24]}"


def _image(inventory: Inventory) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": inventory.name,
        "versionInfo": f"sha256:{inventory.manifest}",
        "downloadLocation": _UNSAID,
        "filesAnalyzed": False,
        "licenseConcluded": _UNSAID,
        "licenseDeclared": _UNSAID,
        "copyrightText": _UNSAID,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": inventory.manifest}],
    }


def _package(component: Component, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "SPDXID": name,
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": _UNSAID,
        "filesAnalyzed": False,
        "licenseConcluded": _UNSAID,
        "licenseDeclared": component.licence or _UNSAID,
        "copyrightText": _UNSAID,
        "primaryPackagePurpose": _PURPOSE[component.kind],
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": component.purl,
            }
        ],
    }
    if component.sha256:
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": component.sha256}]
    if component.file:
        found["packageFileName"] = component.file
    return found


def _relationships(inventory: Inventory, names: dict[str, str]) -> Iterator[dict[str, str]]:
    yield _relation(_DOCUMENT, "DESCRIBES", _IMAGE)
    for component in inventory.components:
        base = component.kind == "container"
        yield _relation(_IMAGE, "DESCENDANT_OF" if base else "CONTAINS", names[component.purl])
    for purl, needed in sorted(inventory.needs.items()):
        for one in needed:
            yield _relation(names[purl], "DEPENDS_ON", names[one])


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _licences(inventory: Inventory) -> Iterator[dict[str, str]]:
    found = {one for component in inventory.components for one in _REFERENCE.findall(component.licence or "")}
    for name in sorted(found):
        said = name.removeprefix("LicenseRef-")
        text = f"The package names this licence {said}; its text is in the package."
        yield {"licenseId": name, "name": said, "extractedText": text}
