"""Figures of first times: a page, a file that many want at once, the first answer after a start; and memory."""

from statistics import median

import httpx2

from bench import upstream
from bench.clients import fetch, file_url
from bench.peers import JSON, Peer
from bench.place import MeasureError
from bench.processes import timed
from bench.rows import Row
from bench.site import COLD, FIRST, Site

_STARTS = 3
_CROWD = {"sekisho": 100, "proxpi": 20, "devpi": 20}


def measure_cold(site: Site) -> list[Row]:
    """Open pages for the first time: ours in doors that nobody has opened; the upstream's is always the same."""
    name = upstream.LARGE
    ours = [_get(site.ours.page(name).replace("/w/everyone/", f"/w/{door}/")) for door in COLD]
    above = median(_get(f"{site.upstream.url}/simple/{name}/") for _ in COLD)
    lists = _asked_lists(site)
    return [
        Row(
            f"cold page of {len(site.taken.pages[name]['files']):,} files, over the upstream's own {above:.3f} s",
            median(ours) - above,
            "s",
            0.3,
            "lower",
            {peer: seconds - above for peer, seconds in site.cold.items()},
        ),
        Row("requests for the list of all projects", lists.pop("sekisho"), "", 0, "lower", lists),
    ]


def _get(url: str) -> float:
    with httpx2.Client(trust_env=False, timeout=120) as client:
        return timed(lambda: client.get(url, headers={"accept": JSON}).raise_for_status())


def _asked_lists(site: Site) -> dict[str, float]:
    """Return how often each server asked the upstream for the list of all projects, by what it calls itself."""
    found: dict[str, float] = {"sekisho": 0, "proxpi": 0, "devpi": 0}
    for asked in site.upstream.asked():
        if asked.path.rstrip("/") == "/simple":
            found[_who(asked.who)] += 1
    return found


def _who(agent: str) -> str:
    return next((name for name in ("sekisho", "devpi") if agent.startswith(name)), "proxpi")


def measure_crowd(site: Site) -> list[Row]:
    """Have many clients ask at once for a file that no server has yet, and count what the upstream was asked."""
    fetches: dict[str, float] = {}
    size = site.upstream.herd.row["size"]
    for peer in (site.ours, site.proxpi, site.devpi):
        many = _CROWD[peer.name]
        site.say(f"{many} clients ask {peer.name} first for one file")
        url = file_url(peer, site.upstream.herd)
        before = len(_of(site))
        found = fetch(url, times=many)
        fetches[peer.name] = len(_of(site)) - before
        good = sum((one.status, one.size) == (200, size) for one in found)
        if peer is site.ours and good != many:
            raise MeasureError(f"{many - good} of {many} clients did not get the whole file")
    ours = fetches.pop("sekisho")
    return [
        Row(
            f"{_CROWD['sekisho']} clients ask first for one file: upstream fetches (peers: 20 clients)",
            ours,
            "",
            1,
            "lower",
            fetches,
        )
    ]


def _of(site: Site) -> list[upstream.Asked]:
    path = f"/{site.upstream.herd.path}"
    return [asked for asked in site.upstream.asked() if asked.path == path]


def measure_memory(site: Site) -> list[Row]:
    """Read what each server's largest process holds, after everything that was asked of it so far."""
    found = {peer.name: peer.server.memory() for peer in site.all}
    ours = found.pop("sekisho")
    resident = {name: memory.resident for name, memory in found.items()}
    peak = {name: memory.peak for name, memory in found.items()}
    return [
        Row("resident memory after the set", ours.resident, "MiB", 150, "lower", resident),
        Row("resident memory, highest", ours.peak, "MiB", 150, "lower", peak),
    ]


def measure_start(site: Site) -> list[Row]:
    """Start each server again on what it has, and wait for the page of a project of the set."""
    found: dict[str, list[float]] = {}
    for peer in site.all:
        site.say(f"starting {peer.name} again")
        times = 1 if peer is site.devpi else site.rounds(_STARTS)
        found[peer.name] = [_again(peer) for _ in range(times)]
    middle = {name: median(seconds) for name, seconds in found.items()}
    return [Row("start to first answer", middle.pop("sekisho"), "s", 1.5, "lower", middle)]


def _again(peer: Peer) -> float:
    peer.server.restart()
    return peer.server.wait_for(peer.page(FIRST), accept=JSON)
