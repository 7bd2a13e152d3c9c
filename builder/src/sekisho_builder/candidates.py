"""What resolution asks of the proxy: the releases that the policy does not deny. Whoever answers may be another."""

from pathlib import Path
from typing import Protocol

from sekisho.model import Artifact, Target


class Candidates(Protocol):
    """Says what there is."""

    @property
    def ca(self) -> Path | None:
        """Return the authority to trust at ``index_url``, if it is not one that everybody trusts."""

    def answers(self) -> None:
        """Raise ``UpstreamError`` unless whoever says it is there."""

    def index_url(self, sources_for: Target | None = None) -> str:
        """Return the address of an index for a resolver; with a target, source stands in for missing wheels."""

    def artifacts(self, project: str, release: str | None = None) -> tuple[Artifact, ...]:
        """Return every file of a release, or of all."""

    def with_metadata(self, artifact: Artifact) -> Artifact:
        """Return a file with the sha256 of the METADATA that the resolver saw, if it has any (PEP 658)."""
