"""Bills of materials: what is in an image, in the words of CycloneDX and of SPDX, the same bytes for the same image."""

from sekisho_builder.sbom.cyclonedx import to_cyclonedx
from sekisho_builder.sbom.inventory import Component, Inventory
from sekisho_builder.sbom.spdx import to_spdx

__all__ = ["Component", "Inventory", "to_cyclonedx", "to_spdx"]
