"""What is in an image, before it is written in anybody's words."""

import uuid
from collections.abc import Mapping
from typing import Literal, NamedTuple

from sekisho_builder import __version__

TOOL = "sekisho-builder"
VERSION = __version__
_NAMESPACE = uuid.UUID("7f3e6a52-6f0e-5d0c-9a3b-2b1f6c1d9e44")
"""Ours, so that the names made in it collide with nobody's (RFC 9562, 5.5)."""


class Component(NamedTuple):
    """One package, or the base. ``sha256`` is of the file that was approved, where there is one.

    ``licence`` is an SPDX expression, or ``None`` where it is unknown. ``purl`` names it everywhere.
    """

    kind: Literal["library", "operating-system", "container"]
    name: str
    version: str
    purl: str
    sha256: str | None = None
    licence: str | None = None
    file: str | None = None


class Inventory(NamedTuple):
    """An image by its manifest's sha256, and its components in the order of their purls.

    ``created`` is the image's own date. ``needs`` says by purl what each component requires, as far as it is known.
    """

    name: str
    manifest: str
    created: str
    components: tuple[Component, ...]
    needs: Mapping[str, tuple[str, ...]]

    @property
    def uuid(self) -> str:
        """Return a UUID that follows from the image."""
        return str(uuid.uuid5(_NAMESPACE, self.manifest))
