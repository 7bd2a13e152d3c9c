"""An approver's signed word on exact hashes."""

from typing import Annotated

from pydantic import Field

from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.closure import Artifact
from sekisho.model.identity import Slug


class Approval(Record):
    """One decision as it concerns one project.

    A decision on a closure writes one of these into each project's file, all with the same ``id``. The signature
    covers everything but itself (see ``sekisho.allowlist``), so a changed hash, scope or expiry voids it. ``closure``
    and ``policy`` are the digests of what was judged. ``seconded_by`` is the second approver where a policy asks for
    two. ``break_glass`` marks one that was given in an emergency, for hours: it beats every denial but the hard ones.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    request: str
    closure: Sha256
    policy: Sha256
    requested_by: str
    approved_by: str
    seconded_by: str | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""
    scope: tuple[Slug, ...]
    at: Moment
    expires: Moment | None = None
    break_glass: bool = False
    artifacts: Annotated[tuple[Artifact, ...], Field(min_length=1)]

    def admits(self, workspace: str, now: Moment) -> bool:
        """Tell whether the approval holds for ``workspace`` at ``now``."""
        return workspace in self.scope and (self.expires is None or now < self.expires)
