"""Who published a candidate: its provenance is fetched, verified in the inspector's process, and remembered.

A file without an attestation is no worse than most: what is missing is unknown. One that is stated and does not hold,
or cannot be had, is a finding.
"""

import asyncio
import hashlib
import logging
from collections.abc import Hashable
from importlib import metadata
from pathlib import Path

from sekisho.errors import BadInputError, CorruptError, NotFoundError, SekishoError
from sekisho.model import Artifact, Facts, Finding, canonical_json, sha256_hex
from sekisho.model.facts import UNVERIFIED
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.inspect.pool import Inspectors, NotInspectedError
from sekisho_proxy.inspect.wheel import Job
from sekisho_proxy.provenance import Provenances
from sekisho_proxy.turns import Turns

_LOG = logging.getLogger("sekisho.proxy")
_AT_ONCE = 8
"""Provenances that are fetched at the same time: the files are fetched meanwhile."""

_VERSION = "1"
"""Part of the key under which results are remembered; a change here verifies everything again."""


class Attesting:
    """Finds out who published files.

    ``root`` is the file of the trust root, so that a new one counts at once; ``None`` is the one that comes with the
    library: Sigstore's own, as of its release.
    """

    def __init__(self, provenances: Provenances, inspectors: Inspectors, known: DiskCache, root: Path | None) -> None:
        self._provenances = provenances
        self._inspectors = inspectors
        self._known = known
        self._root = root
        self._turns = Turns(_AT_ONCE)

    async def add(self, facts: Facts, artifact: Artifact, owner: Hashable = None) -> Facts:
        """Return facts with the attestations that hold, and a finding for each that does not."""
        found = await self._about(artifact, owner)
        if found is None:
            return facts
        more = {"attestations": found.attestations, "findings": (*facts.findings, *found.findings)}
        return facts.model_copy(update=more)

    async def _about(self, artifact: Artifact, owner: Hashable) -> Facts | None:
        if not artifact.index.get("provenance") or not artifact.filename.endswith(".whl"):
            return None
        try:
            async with self._turns.take(owner):
                data = await self._provenances.get(artifact)
            root = await asyncio.to_thread(self._read_root)
            return await self._verified(artifact, data, root, owner)
        except (NotFoundError, CorruptError) as error:
            return _doubt(artifact, error.what)
        except SekishoError as error:
            _LOG.warning("nobody can tell who published %s: %s", artifact.filename, error)
            return _doubt(artifact, f"it could not be verified: {error.what}")

    async def _verified(self, artifact: Artifact, data: bytes, root: str, owner: Hashable) -> Facts:
        digest = hashlib.sha256(data).hexdigest()
        key = sha256_hex(canonical_json([artifact.sha256, artifact.filename, digest, root, _VERSION]))
        known = self._known.get(key)
        if known is not None:
            return Facts.parse_json(known, where="remembered attestations")
        job = Job(
            path=str(self._provenances.path(artifact.sha256).absolute()),
            filename=artifact.filename,
            sha256=artifact.sha256,
            provenance=str(self._provenances.path(artifact.sha256).absolute()),
            trust_root=str(self._root.absolute()) if self._root else "",
        )
        try:
            facts = await self._inspectors.inspect(job, owner)
        except NotInspectedError as error:
            return _doubt(artifact, f"it could not be verified: {error.what}")
        self._known.put(key, facts.canonical())
        return facts

    def _read_root(self) -> str:
        """Return what names the trust root; raise ``BadInputError`` if it cannot be read."""
        if self._root is None:
            return f"sigstore {metadata.version('sigstore')}"
        try:
            return hashlib.sha256(self._root.read_bytes()).hexdigest()
        except OSError as error:
            raise BadInputError(f"the trust root cannot be read: {error}", where=str(self._root)) from error


def _doubt(artifact: Artifact, said: str) -> Facts:
    finding = Finding(code=UNVERIFIED, detail=said[:500])
    return Facts(sha256=artifact.sha256, size=artifact.size, findings=(finding,))
