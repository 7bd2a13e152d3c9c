"""Provenance (PEP 740): the attestations that a source publishes of a file, relayed as they are.

What is checked is that they are of the form and about this very file; ``attesting`` has their signatures verified
before anybody approves the file. A provenance may grow while its file stays the same, so it is asked for again now and
then, and kept meanwhile.
"""

import asyncio
import json
import logging
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sekisho.disk import DISK, Disk
from sekisho.errors import CorruptError, NotFoundError, SekishoError, StorageFullError, UpstreamError
from sekisho.model import Artifact
from sekisho.policy import Snapshot
from sekisho.store import write_atomically
from sekisho_proxy.flights import Flights
from sekisho_proxy.upstream.advice import GONE, LATER, TAMPERED
from sekisho_proxy.upstream.sources import Upstreams

_LOG = logging.getLogger("sekisho.proxy")
MEDIA_TYPE = "application/vnd.pypi.integrity.v1+json"
_ACCEPT = {"accept": f"{MEDIA_TYPE}, application/json;q=0.9"}
_LIMIT = 4 << 20
_FRESH = 86400.0
"""Seconds until a source is asked again."""


class NoProvenanceError(UpstreamError):
    """It is not on this side of the gap, and a replica asks nobody for it."""

    http_status = 503


class Provenances:
    """One file for each artifact of which a provenance is here. ``upstreams`` is ``None`` on a replica."""

    def __init__(self, folder: Path, present: Callable[[], Snapshot], upstreams: Upstreams | None) -> None:
        self._folder = folder
        self._present = present
        self._upstreams = upstreams
        self._flights = Flights()

    async def close(self) -> None:
        """Stop what is being fetched."""
        await self._flights.cancel()

    def path(self, sha256: str) -> Path:
        """Return where the provenance of the file ``sha256`` is kept."""
        return provenance_file(self._folder, sha256)

    def has(self, artifact: Artifact) -> bool:
        """Tell whether there is one that can be given at once."""
        return bool(artifact.index.get("provenance")) and self.path(artifact.sha256).is_file()

    async def get(self, artifact: Artifact) -> bytes:
        """Return a file's provenance; an old one if the source is away.

        Give it only to whoever the gate admitted, or to the inspection. Raises ``NotFoundError`` where the source
        states none, ``CorruptError`` for one that is not of the form or about another file.
        """
        if not artifact.index.get("provenance"):
            raise NotFoundError("the source stated no provenance of this file", where=artifact.path)
        return await self._flights.once(artifact.sha256, lambda: self._find(artifact))

    async def _find(self, artifact: Artifact) -> bytes:
        known, fresh = await asyncio.to_thread(self._read, artifact)
        if known is not None and (fresh or self._upstreams is None):
            return known
        try:
            data = await self._fetch(artifact)
        except SekishoError as error:
            if known is None:
                raise
            _LOG.info("an old provenance of %s goes on being given: %s", artifact.filename, error)
            return known
        try:
            await asyncio.to_thread(write_atomically, self.path(artifact.sha256), data)
        except StorageFullError as error:
            _LOG.warning("a provenance is given but not kept: %s", error)
        return data

    def _read(self, artifact: Artifact) -> tuple[bytes | None, bool]:
        path = self.path(artifact.sha256)
        try:
            data, written = path.read_bytes(), path.stat().st_mtime
            check_provenance(data, artifact)
        except (FileNotFoundError, CorruptError):
            return None, False
        return data, 0 <= time.time() - written < _FRESH

    async def _fetch(self, artifact: Artifact) -> bytes:
        if self._upstreams is None:
            raise NoProvenanceError(
                f"the provenance of {artifact.filename} is in no imported bundle",
                where=artifact.path,
                todo="export a bundle in the open zone and bring it over with `sekisho import`",
            )
        fetcher = self._upstreams.fetcher(self._present(), artifact.source, artifact.project)
        for base in reversed(fetcher.place.files):  # the index's own host is the last of them, and the likeliest
            url = base + artifact.index["provenance"]
            answer = await fetcher.get(url, limit=_LIMIT, headers=_ACCEPT)
            if answer.status_code not in {404, 410}:
                fetcher.require(answer, url, 200)
                await asyncio.to_thread(check_provenance, answer.content, artifact)
                return answer.content
        raise NotFoundError(
            f"source {artifact.source!r} has no provenance of this file", where=artifact.path, todo=GONE
        )


def provenance_file(folder: Path, sha256: str) -> Path:
    """Return the path below ``folder`` of the provenance of the file ``sha256``."""
    return folder / sha256[:2] / sha256


def keep_provenance(folder: Path, sha256: str, data: bytes, *, disk: Disk = DISK) -> None:
    """Keep what a bundle brought."""
    write_atomically(provenance_file(folder, sha256), data, disk=disk)


def check_provenance(data: bytes, artifact: Artifact) -> None:
    """Raise ``CorruptError`` unless ``data`` is a provenance object (PEP 740) that speaks of the file and no other."""
    where = artifact.index.get("provenance", artifact.path)
    try:
        value = json.loads(data)
        found = {_subject(one) for bundle in value["attestation_bundles"] for one in bundle["attestations"]}
        version = value["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptError(
            f"source {artifact.source!r} has no provenance there: {type(error).__name__}: {error}",
            where=where,
            todo=LATER,
        ) from error
    if version != 1 or found != {artifact.sha256}:
        raise CorruptError(
            f"source {artifact.source!r} has a provenance of another version or of another file",
            where=where,
            todo=TAMPERED,
        )


def _subject(attestation: dict[str, Any]) -> str:
    """Return the sha256 that an attestation's in-toto statement is about."""
    envelope = attestation["envelope"]
    if attestation["version"] != 1 or not envelope["signature"] or not attestation["verification_material"]:
        message = "an attestation of another form"
        raise ValueError(message)
    [subject] = json.loads(b64decode(envelope["statement"], validate=True))["subject"]
    return str(subject["digest"]["sha256"])
