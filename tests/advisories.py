"""Small OSV records and files of them, made in one line."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sekisho.advisories import AdvisoryIndex
from sekisho.advisories.exploited import Exploitation
from sekisho.advisories.zip_import import Imported, read_osv
from tests.records import NOW

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8
MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"  # 6.1


def osv(name: str = "GHSA-aaaa-bbbb-cccc", project: str = "numpy", **more: Any) -> dict[str, Any]:
    """Return a record on every release of ``project``; ``events``, ``versions`` and ``vector`` say otherwise."""
    affected: dict[str, Any] = {"package": {"ecosystem": more.pop("ecosystem", "PyPI"), "name": project}}
    events = more.pop("events", None)
    versions = more.pop("versions", None)
    if versions is not None:
        affected["versions"] = versions
    if events is not None or versions is None:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": events or [{"introduced": "0"}]}]
    affected |= more.pop("affected", {})
    record = {"id": name, "modified": "2026-10-31T00:00:00Z", "affected": [affected]}
    if vector := more.pop("vector", None):
        record["severity"] = [{"type": "CVSS_V3", "score": vector}]
    return record | more


def packed(*records: Mapping[str, Any], names: Iterable[str] | None = None) -> io.BytesIO:
    """Return a zip as OSV's, one member for each record."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for record, name in zip(records, names or [f"{one['id']}.json" for one in records], strict=True):
            archive.writestr(name, json.dumps(record))
    file.seek(0)
    return file


def imported(*records: Mapping[str, Any], now: datetime = NOW, said: Exploitation | None = None) -> Imported:
    return read_osv(packed(*records), where="all.zip", now=now, exploitation=said)


def index(*records: Mapping[str, Any], said: Exploitation | None = None) -> AdvisoryIndex:
    """Return an index that is fresh at ``NOW``; without records it has one on a project that nobody uses."""
    made = imported(*(records or [osv("GHSA-zzzz-zzzz-zzzz", "unused-by-anybody")]), said=said).advisories
    return made.dated(dict.fromkeys(("osv", "kev", "epss"), NOW))


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
