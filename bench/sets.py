"""Figures of whole clients: one large wheel, and the set resolved by uv and downloaded by pip."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.clients import fetch, file_url, pip_download, uv_compile
from bench.place import MeasureError
from bench.rows import TIMES, Row, figure, share
from bench.site import Site

_STREAMS = 7
_ROUNDS = 5
_GENTLY = 3
"""Rounds for whoever is slow, and for PyPI itself, which is never pressed."""

Client = Callable[[str | None, Path], float]


def measure_stream(site: Site) -> list[Row]:
    """Fetch the large wheel over one connection, each server in turn."""
    urls = {peer.name: file_url(peer, site.upstream.big) for peer in site.all}
    size = site.upstream.big.row["size"]
    speeds: dict[str, list[float]] = {name: [] for name in urls}
    for number in range(1, site.rounds(_STREAMS) + 1):
        site.say(f"large wheel, round {number}")
        for name, url in urls.items():
            (found,) = fetch(url)
            if (found.status, found.size) != (200, size):
                raise MeasureError(f"{name} sent {found.size} of {size} bytes, status {found.status}")
            speeds[name].append(found.speed / 1e6)
    middle = {name: median(found) for name, found in speeds.items()}
    ours = middle.pop("sekisho")
    what = f"wheel of {size / 1e6:.0f} MB, warm, one stream"
    return [
        Row(what, ours, "MB/s", None, "higher", middle),
        share(f"{what}: speed of nginx", ours, middle["nginx"], 0.70, "higher"),
    ]


def measure_uv(site: Site) -> list[Row]:
    """Resolve the set with uv."""
    return _client(site, "uv pip compile", uv_compile, goal=0.40)


def measure_pip(site: Site) -> list[Row]:
    """Download the set with pip."""
    return _client(site, "pip download", pip_download, goal=0.32)


def _client(site: Site, what: str, client: Client, *, goal: float) -> list[Row]:
    """Run a client against each server in turn, and against PyPI itself a few times, gently."""
    seconds: dict[str, list[float]] = {}
    why = ""
    for number in range(1, site.rounds(_ROUNDS) + 1):
        site.say(f"{what}, round {number}")
        for peer in site.all:
            if number <= _GENTLY or peer.name in {"sekisho", "nginx"}:
                seconds.setdefault(peer.name, []).append(client(peer.root, site.place.work))
        if number <= _GENTLY and not why:
            try:
                seconds.setdefault("direct", []).append(client(None, site.place.work))
            except MeasureError as error:
                why = str(error)
    middle = {name: median(found) for name, found in seconds.items() if found}
    ours = middle.pop("sekisho")
    name = f"{what} of {len(site.taken.wheels)} packages"
    rows = [
        Row(name, ours, "s", None, "lower", middle),
        share(f"{name}: time of nginx", ours, middle["nginx"], 1.1, "lower"),
    ]
    if why:
        direct = Row(f"{name}: time of going direct", None, TIMES, goal, "lower", note=why)
    else:
        note = f"nginx: {figure(middle['nginx'] / middle['direct'])} {TIMES}"
        direct = share(f"{name}: time of going direct", ours, middle["direct"], goal, "lower", note)
    return [*rows, direct]
