"""The workbench asked for once: how long until there is a verdict, and how much of it a person has to decide."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.judging import site as sites
from bench.judging import workbench
from bench.judging.recording import record
from bench.judging.visible import measure_visible
from bench.place import MeasureError, Place
from bench.processes import Servers, timed
from bench.rows import Row, share
from sekisho.cli.ask import FINAL, follow
from sekisho.errors import SekishoError

_LIMIT = 1800.0


def measure_decisions(place: Place, say: Callable[[str], None]) -> list[Row]:
    """Ask with nothing here, ask again, and have pip download the same."""
    kept = workbench.take(place.cache, say)
    folder = place.home / "judging"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "installation").mkdir(parents=True)
    servers = Servers()
    try:
        with record(kept.folder) as more:
            say("starting the upstream on loopback")
            index = sites.lay_upstream(servers, folder / "upstream", kept, more.removesuffix("/simple/"))
            sites.warm_files(kept, say)
            say("pip downloads the workbench, direct")
            direct = _pip(index, folder)
            with sites.open_site(servers, folder / "installation", index) as site:
                say("the workbench is asked for: everything is fetched and inspected")
                cold, first = _ask(site, "cold")
                before = site.server.cpu()
                say("it is asked for again")
                warm, again = _ask(site, "warm")
                busy = site.server.cpu() - before
                decided = _decide(site, again)
                say("one package is revoked, and uv asks for everything that is still shown")
                visible = measure_visible(site, folder)
    finally:
        servers.stop_all()
    shutil.rmtree(folder)
    return [*_decided(first, decided), *_timed(Times(cold, warm, busy, direct), first), *visible]


def _decided(first: dict[str, Any], decided: int) -> list[Row]:
    counts, packages = first["counts"], first["closure"]["packages"]
    exceptions = [reason["rule"] for row in first["exceptions"] for reason in row["reasons"]]
    rules = ", ".join(f"{rule} {number}" for rule, number in Counter(exceptions).most_common())
    denied = ", ".join(row["name"] for row in first["exceptions"] if row["outcome"] == "deny")
    note = f"{packages} packages: {counts['allow']} allow, {counts['review']} review, {counts['deny']} deny"
    automatic = 100 * (counts["allow"] + counts["deny"]) / packages
    return [
        Row(
            "human decisions for the workbench", decided, "", 1, "lower", note=note + (f": {denied}" if denied else "")
        ),
        Row("artifacts decided by the policy", automatic, "%", 90, "higher", note=rules),
    ]


class Times(NamedTuple):
    """Seconds until there was a verdict, of that our processor time when warm, and what pip took."""

    cold: float
    warm: float
    busy: float
    pip: float


def _timed(took: Times, first: dict[str, Any]) -> list[Row]:
    megabytes = first["closure"]["bytes"] / 1e6
    note = f"{took.cold:.1f} s, pip {took.pip:.1f} s; {megabytes:,.0f} MB on loopback"
    return [
        Row(
            "verdict for the workbench, warm", took.warm, "s", 10, "lower", note=f"{took.busy:.1f} s of processor time"
        ),
        share("verdict for the workbench, cold, to pip download direct", took.cold, took.pip, 1.3, "lower", note=note),
    ]


def _ask(site: sites.Site, reason: str) -> tuple[float, dict[str, Any]]:
    target = {"python": workbench.python_version(), "glibc": workbench.GLIBC}
    body = {"requirements": list(workbench.WORKBENCH), "target": target, "reason": reason}
    began = time.perf_counter()
    try:
        request = site.portal.ask(body)["id"]
        status = site.portal.status(request)
        while status["state"] not in FINAL and time.perf_counter() - began < _LIMIT:
            status = site.portal.status(request, after=status["seq"], wait=20)
    except SekishoError as error:
        raise MeasureError(f"the workbench was not judged: {error.what}") from error
    if "counts" not in status:
        raise MeasureError(f"the workbench is {status['state']}: {status.get('problem')}")
    return time.perf_counter() - began, status


def _decide(site: sites.Site, status: dict[str, Any]) -> int:
    """Have the approver decide as long as there is something to decide; return how often that was."""
    decided = 0
    while status["state"] == "waiting":
        site.approver.approve(status["id"], reason="reviewed the exceptions")
        decided += 1
        status = follow(site.portal, status["id"])
    return decided


def _pip(index: str, folder: Path) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = workbench.pip_download(index, Path(scratch) / "files")
        return timed(lambda: workbench.run([*command, *workbench.WORKBENCH], Path(scratch)))
