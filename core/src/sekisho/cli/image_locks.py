"""The lock of an image: that of the newest approved request that fits its definition."""

from collections.abc import Sequence
from typing import Any

from sekisho.cli.locking import Found
from sekisho.client import PortalClient
from sekisho.definitions import read_definition
from sekisho.errors import ConflictError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition
from sekisho.settings import Settings


def lock_image(settings: Settings, portal: PortalClient, image: str) -> Found:
    """Return the lock of an image; its files lie beside the definition."""
    definition = read_definition(settings.images, image)
    rows = [row for row in portal.requests() if row["request"].get("image") == image]
    found, requester = _newest(definition, rows)
    return Found(found, settings.images / image, requester)


def _newest(definition: ImageDefinition, rows: Sequence[dict[str, Any]]) -> tuple[Lock, str]:
    """Return the newest lock that fits the definition, and who asked for it; ``rows`` are newest first."""
    image = definition.name
    if rows and rows[0]["state"] == "approved" and not rows[0].get("lock"):
        raise ConflictError(f"request {rows[0]['id']} is being locked", todo="try again in a moment")
    locked = [row for row in rows if row.get("lock")]
    if not locked:
        raise ConflictError(
            f"no request for image {image} has been approved and locked yet",
            where=f"images/{image}/image.yaml",
            todo=f"ask with `sekisho request --image {image}`, have it approved, and run this again",
        )
    wanted = (definition.requirements, definition.conda, definition.target, definition.resolve_before)
    for row in locked:
        found = Lock.parse(row["lock"], where=f"lock of request {row['id']}")
        if (found.direct, found.conda, found.target, found.resolve_before) == wanted:
            return found, str(row["request"]["requester"])
    raise ConflictError(
        f"images/{image}/image.yaml has changed since request {locked[0]['id']} was made",
        todo=f"ask again with `sekisho request --image {image}`",
    )
