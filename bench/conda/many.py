"""A change of the policy where very much is approved: of one name, and of hundreds at once."""

import time
from collections.abc import Iterable
from http.client import HTTPConnection
from statistics import median

import msgspec

from bench.conda.approved import INDEX, OTHERS, WHOLE, Served, open_served, wait
from bench.conda.site import SOURCE, SUBDIR, Site
from bench.place import MeasureError
from bench.policy import Ready
from bench.rows import Row
from sekisho.model import Outcome, Reason
from sekisho.policy.snapshot import Denial
from sekisho.zstd import ZstdDecompressor

NAMES = 10_000
_CHANGES, _BROAD = 20, 6
_EACH = 20
"""One name in so many is denied by the broad change."""

FORMS = (INDEX, *WHOLE, *OTHERS)


def measure(site: Site) -> list[Row]:
    """Take a name out or put it back, then deny hundreds by the hashes of their files, and ask for every form."""
    with open_served(site, NAMES) as served:
        names = sorted(served.approvals)
        files = sum(len(signed.approval.artifacts) for signed in served.approvals.values())
        said = f"{len(names):,} names, {files:,} approved files"
        _take(served)
        one, sealing, used = list[float](), list[float](), served.server.cpu()
        for number in range(site.rounds(_CHANGES)):
            site.say(f"policy change {number + 1} with {files:,} approved files")
            name = names[(number // 2 * 37) % len(names)]
            left = [signed for key, signed in served.approvals.items() if key != name or number % 2]
            began = time.perf_counter()
            ready = served.portal.seal(left)
            sealing.append(time.perf_counter() - began)
            one.append(_change(served, ready, {name}, there=bool(number % 2)))
        used = (served.server.cpu() - used) / len(one)
        broad, some = list[float](), names[::_EACH]
        for number in range(site.rounds(_BROAD)):
            site.say(f"{len(some)} names at once, {number + 1}")
            denied = _denials(served, some) if number % 2 == 0 else ()
            ready = served.portal.seal(served.approvals.values(), denied=denied)
            broad.append(_change(served, ready, set(some), there=bool(number % 2)))
        peak = served.server.memory().peak
    note = f"{said}; slowest of {len(one)}, median {median(one):.2f} s; processor {used:.2f} s each"
    at_once = f"{len(some)} names denied by hash, or let in again; slowest of {len(broad)}"
    return [
        Row(f"policy change, {files:,} approved files", max(one), "s", 0.5, "lower", note=note),
        Row("the same: what comes before, sealing it", median(sealing), "s", None, "lower", note="median"),
        Row(f"the same of {len(some)} names at once", max(broad), "s", None, "lower", note=at_once),
        Row(f"the proxy's memory at its peak, {files:,} files", peak, "MiB", 300, "lower", note=said),
    ]


def _denials(served: Served, names: Iterable[str]) -> list[Denial]:
    reason = Reason(rule="licence", outcome=Outcome.DENY, evidence="its licence is not allowed")
    return [
        Denial(sha256=artifact.sha256, reason=reason, scope=("everyone",))
        for name in names
        for artifact in served.approvals[name].approval.artifacts
    ]


def _change(served: Served, ready: Ready, names: set[str], *, there: bool) -> float:
    """Return the seconds until the last byte of every form was had; then look whether all say the same."""
    began = time.perf_counter()
    served.portal.hand_out(ready)
    with served.client() as client:
        wait(client, ready.sequence)
    bodies = _take(served)
    seconds = time.perf_counter() - began
    for form, body in bodies.items():
        found = names & _names(form, body)
        if found != (names if there else set()) and "run_exports" not in form:
            raise MeasureError(f"{form} has {len(found)} of {len(names)} names that changed")
    return seconds


def _take(served: Served) -> dict[str, bytes]:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=120)
    bodies = {}
    try:
        for form in FORMS:
            connection.request("GET", f"/w/everyone/conda/{SOURCE}/{SUBDIR}/{form}".replace(f"/{SUBDIR}/..", ""))
            answer = connection.getresponse()
            bodies[form] = answer.read()
            if answer.status != 200:
                raise MeasureError(f"{form} answers {answer.status}")
    finally:
        connection.close()
    return bodies


def _names(form: str, body: bytes) -> set[str]:
    data = ZstdDecompressor().decompress(body) if form.endswith(".zst") else body
    if form == INDEX:
        return set(msgspec.msgpack.decode(data)["shards"])
    value = msgspec.json.decode(data)
    rows = {**value["packages"], **value.get("packages.conda", {})}
    return set(rows) if "channeldata" in form else {filename.rsplit("-", 2)[0] for filename in rows}
