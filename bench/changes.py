"""Figures of a change of policy: how soon an approval, or a revocation, is seen on every route."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import httpx2

from bench import site as sites
from bench.clients import file_url
from bench.peers import JSON, Peer
from bench.place import MeasureError
from bench.pypi import Wheel
from bench.rows import Row
from bench.site import Site

_ROUNDS = 5
_PAUSE = 0.02
"""Seconds between two looks, so that looking does not keep the server from following."""

Shown = Callable[[httpx2.Client], bool]
"""Tells whether a route shows the file now."""


def measure(site: Site) -> list[Row]:
    """Revoke one file of the set and approve it again, several times, from publishing until the last route follows."""
    wheel = site.taken.wheels[0]
    every = sites.approvals(site.portal, site.taken, site.upstream)
    without = [one for one in every if one.approval.artifacts[0].sha256 != wheel.row["hashes"]["sha256"]]
    routes = routes_of(site.ours, wheel)
    slowest = {"approval": 0.0, "revocation": 0.0}
    for number in range(1, site.rounds(_ROUNDS) + 1):
        site.say(f"revoke and approve, round {number}")
        for what, approvals in (("revocation", without), ("approval", every)):
            site.portal.publish(approvals)
            slowest[what] = max(slowest[what], follow(routes, shown=what == "approval"))
    note = f"slowest of {site.rounds(_ROUNDS)}; routes: {', '.join(routes)}"
    return [
        Row(f"{what} on every route after it is published", seconds, "s", 1, "lower", note=note)
        for what, seconds in slowest.items()
    ]


def routes_of(peer: Peer, wheel: Wheel) -> dict[str, Shown]:
    """Return every route that serves a file which is approved now."""
    page, name = peer.page(wheel.project), wheel.row["filename"]
    file = file_url(peer, wheel)
    routes: dict[str, Shown] = {
        "page JSON": lambda client: name in client.get(page, headers={"accept": JSON}).text,
        "page HTML": lambda client: name in client.get(page, headers={"accept": "text/html"}).text,
        "file": lambda client: client.get(file).status_code == 200,
        "HEAD": lambda client: client.head(file).status_code == 200,
        "Range": lambda client: client.get(file, headers={"range": "bytes=0-9"}).status_code == 206,
        "metadata": lambda client: client.get(f"{file}.metadata").status_code == 200,
    }
    legacy = f"{page.removesuffix(f'simple/{wheel.project}/')}{wheel.project}/json"
    with httpx2.Client(trust_env=False) as client:
        if client.get(legacy).status_code == 200:
            routes["JSON API"] = lambda client: name in client.get(legacy).text
        for route, shown in routes.items():
            if not shown(client):
                raise MeasureError(f"route {route} does not show {name}, which is approved")
    return routes


def follow(routes: dict[str, Shown], *, shown: bool, patience: float = 20.0) -> float:
    """Return the seconds until every route shows the file, or none does; each is asked until it does so once."""
    began = time.perf_counter()
    left = dict(routes)
    with httpx2.Client(trust_env=False, timeout=10) as client:
        while left:
            for route in _changed(client, left, shown=shown):
                del left[route]
            if time.perf_counter() - began > patience:
                raise MeasureError(f"after {patience:.0f} s these routes are as before: {', '.join(left)}")
            time.sleep(_PAUSE)
    return time.perf_counter() - began


def _changed(client: httpx2.Client, routes: dict[str, Shown], *, shown: bool) -> Iterable[str]:
    found = []
    for route, shows in routes.items():
        with suppress(httpx2.TransportError):
            if shows(client) is shown:
                found.append(route)
    return found
