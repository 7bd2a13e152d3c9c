"""The quarantine: candidates fetched, verified and inspected, for the builder to judge. Nothing here is ever served."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Hashable
from pathlib import Path

from pydantic import Field

from sekisho.errors import BadInputError, CorruptError, SekishoError
from sekisho.model import Artifact, Facts, Finding, Record, canonical_json, sha256_hex
from sekisho.model.conda import RECORD
from sekisho_proxy.attesting import Attesting
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.doors.service_only import require_service
from sekisho_proxy.exchange import Reply, Request, json_reply, not_allowed
from sekisho_proxy.flights import Flights
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.inspect.pool import Inspectors, NotInspectedError, TooSlowError
from sekisho_proxy.inspect.wheel import INSPECTOR_VERSION, Job
from sekisho_proxy.scanning import Scanning
from sekisho_proxy.turns import Turns

_LOG = logging.getLogger("sekisho.proxy")
_AT_ONCE = 8
_BODY_LIMIT = 64 << 20
_LARGEST_BUILT = 4 << 30
_NDJSON = ((b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store"))


class Intake(Record):
    """The body of ``POST /quarantine``."""

    artifacts: tuple[Artifact, ...] = Field(max_length=20_000)


class Quarantine:
    """Serves ``POST /quarantine``: one line of JSON per artifact, as each is done; and takes in what was built here."""

    def __init__(
        self,
        holdings: Holdings,
        inspectors: Inspectors,
        facts: DiskCache,
        token: str,
        *,
        attesting: Attesting,
        scanning: Scanning,
    ) -> None:
        self._holdings = holdings
        self._inspectors = inspectors
        self._attesting = attesting
        self._scanning = scanning
        self._facts = facts
        self._token = token
        self._slots = Turns(_AT_ONCE)
        self._flights = Flights()

    async def close(self) -> None:
        """Stop what is under way, and the inspectors."""
        await self._flights.cancel()
        await self._scanning.close()
        await self._inspectors.close()

    async def __call__(self, request: Request) -> Reply:
        """Start the work and answer with its stream of results."""
        require_service(request, self._token)
        if request.path != "/quarantine":
            return await self._take(request)
        if request.method != "POST":
            return not_allowed(b"POST")
        intake = Intake.parse_json(await request.body(limit=_BODY_LIMIT), where="body of POST /quarantine")
        return Reply(200, _NDJSON, self._lines(intake.artifacts))

    async def _take(self, request: Request) -> Reply:
        """Take in a file that no source has, since the builder made it: it is a candidate like any other."""
        if request.method != "PUT":
            return not_allowed(b"PUT")
        sha256 = request.path.removeprefix("/quarantine/")
        try:
            await self._holdings.take_in(sha256, request.pieces(limit=_LARGEST_BUILT))
        except CorruptError as error:
            raise BadInputError(error.what, where=request.path, todo="send the file that was made") from error
        return json_reply({"sha256": sha256}, status=201)

    async def _lines(self, artifacts: tuple[Artifact, ...]) -> AsyncIterator[bytes]:
        owner = object()
        tasks = [asyncio.create_task(self._line(artifact, owner)) for artifact in artifacts]
        try:
            for done in asyncio.as_completed(tasks):
                yield json.dumps(await done).encode() + b"\n"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _line(self, artifact: Artifact, owner: Hashable) -> dict[str, object]:
        try:
            facts, cached = await self.learn(artifact, owner)
        except SekishoError as error:
            return {"sha256": artifact.sha256, "problem": error.diagnostics()}
        except Exception as error:  # noqa: BLE001 (one file's fault must not cost the others their line)
            _LOG.error("the quarantine failed on %s", artifact.filename, exc_info=error)
            problem = SekishoError("the quarantine failed unexpectedly", where=artifact.filename)
            return {"sha256": artifact.sha256, "problem": problem.diagnostics()}
        return {"sha256": artifact.sha256, "facts": facts.plain(), "cached": cached}

    async def learn(self, artifact: Artifact, owner: Hashable = None) -> tuple[Facts, bool]:
        """Return what is known of an artifact, and whether that was known before. Owners take turns."""
        key = _key(artifact)
        known = self._facts.get(key)
        if known is not None:
            facts = Facts.parse_json(known, where="remembered facts")
        else:
            facts = await self._flights.once(key, lambda: self._inspect(artifact, key, owner))
        facts = await self._attesting.add(facts, artifact, owner)
        return await self._scanning.add(facts, artifact, lambda: self._holdings.isolate(artifact)), known is not None

    async def _inspect(self, artifact: Artifact, key: str, owner: Hashable) -> Facts:
        async with self._slots.take(owner):
            path = await self._holdings.isolate(artifact)
        for last in (False, True):
            job = Job(
                path=str(path.absolute()),
                filename=artifact.filename,
                sha256=artifact.sha256,
                core_metadata=artifact.index.get("core-metadata") or None,
                record=_record(artifact),
            )
            try:
                facts = await self._inspectors.inspect(job, owner)
                break
            except NotInspectedError as error:
                path = await self._holdings.isolate(artifact)  # it may have been approved, and moved, meanwhile
                if last or (isinstance(error, TooSlowError) and path.absolute() == Path(job.path)):
                    facts = _suspect(path, artifact, error)
                    break
        self._facts.put(key, facts.canonical())
        return facts


def _suspect(path: Path, artifact: Artifact, error: NotInspectedError) -> Facts:
    """Return the facts of a file that stopped its inspector: remembered, or it would do so with every request."""
    when = " in time" if isinstance(error, TooSlowError) else ""
    finding = Finding(code="archive_confusion", detail=f"could not be inspected{when}: {error.what}")
    return Facts(sha256=artifact.sha256, size=path.stat().st_size, findings=(finding,))


def _key(artifact: Artifact) -> str:
    """Return what facts depend on: bytes, name, what the index stated, and the inspector."""
    parts = [artifact.sha256, artifact.filename, artifact.index.get("core-metadata"), INSPECTOR_VERSION]
    record = _record(artifact)
    return sha256_hex(canonical_json(parts if record is None else [*parts, artifact.path, record]))


def _record(artifact: Artifact) -> str | None:
    """Return what a channel says of a conda package, "" if that is missing; ``None`` of other files."""
    return artifact.index.get(RECORD, "") if artifact.kind == "conda" else None
