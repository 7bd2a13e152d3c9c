"""What counts where a request leaves it out: as its requester asked last, or as the shipped base image is. Pure."""

from collections.abc import Iterable

from sekisho.model import EVERYONE, Slug, Target
from sekisho_portal.standing import Standing

BASE = Target(python="3.11.2", glibc="2.36")
"""The target of the base image that is shipped."""


def usual(requests: Iterable[Standing], requester: str | None) -> tuple[Slug, Target]:
    """Return workspace and target of the first of ``requests`` that ``requester`` made: the newest stand first."""
    own = next((row.request for row in requests if row.request.requester == requester), None)
    return (own.workspace, own.target) if own else (EVERYONE, BASE)
