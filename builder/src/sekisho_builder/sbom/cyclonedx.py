"""CycloneDX 1.6 (ECMA-424) as JSON."""

from typing import Any

from sekisho_builder.sbom.inventory import TOOL, VERSION, Component, Inventory

SPEC = "1.6"


def to_cyclonedx(inventory: Inventory) -> dict[str, Any]:
    """Return the document. Its serial number and its date follow from the image."""
    root = f"sha256:{inventory.manifest}"
    refs = [component.purl for component in inventory.components]
    needs = [
        {"ref": ref, **({"dependsOn": list(inventory.needs[ref])} if inventory.needs.get(ref) else {})} for ref in refs
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{inventory.uuid}",
        "version": 1,
        "metadata": {
            "timestamp": inventory.created,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": TOOL, "version": VERSION}]},
            "component": {
                "type": "container",
                "bom-ref": root,
                "name": inventory.name,
                "version": root,
                "hashes": [{"alg": "SHA-256", "content": inventory.manifest}],
            },
        },
        "components": [_component(component) for component in inventory.components],
        "dependencies": [{"ref": root, "dependsOn": refs}, *needs],
    }


def _component(component: Component) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": component.kind,
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if component.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": component.sha256}]
    if component.licence:
        found["licenses"] = [{"expression": component.licence}]
    if component.file:
        found["properties"] = [{"name": "sekisho:file", "value": component.file}]
    return found
