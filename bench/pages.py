"""Figures of the very large page, warm: how many a second, how soon, and at what CPU."""

from statistics import median

from bench.load import Load, press
from bench.peers import Peer
from bench.rows import TIMES, Row, figure, share
from bench.site import Site

_ROUNDS = 3
_SECONDS = {"sekisho": 4, "nginx": 4, "nginx tuned": 4, "proxpi": 5, "devpi": 10}


def measure(site: Site) -> list[Row]:
    """Press each server in turn, several rounds, and take the middle one of each figure."""
    every = (site.ours, site.nginx, site.tuned, site.proxpi, site.devpi)
    loads: dict[str, list[Load]] = {peer.name: [] for peer in every}
    for number in range(1, site.rounds(_ROUNDS) + 1):
        for peer in every:
            site.say(f"very large page, round {number}: {peer.name}")
            loads[peer.name].append(_press(site, peer))
    rate = {name: median(load.rate for load in found) for name, found in loads.items()}
    cpu = {name: median(load.cpu for load in found) for name, found in loads.items()}
    slowest = {name: median(load.slowest for load in found) for name, found in loads.items()}
    files = len(site.taken.pages["numpy"]["files"])
    page = f"page of {files:,} files"
    ours = rate["sekisho"]
    return [
        Row(f"{page}, warm", ours, "requests/s", None, "higher", _others(rate)),
        share(f"{page}: rate of nginx", ours, rate["nginx"], 0.70, "higher", _tuned(rate)),
        share(f"{page}: rate of devpi", ours, rate["devpi"], 1000, "higher", _nginx(rate, "devpi")),
        share(f"{page}: rate of proxpi", ours, rate["proxpi"], 150, "higher", _nginx(rate, "proxpi")),
        Row(f"{page}: 99 of 100 within, 8 connections", slowest["sekisho"], "ms", 10, "lower", _others(slowest)),
        Row(f"{page}: CPU", cpu["sekisho"], "ms", 0.3, "lower", _others(cpu)),
    ]


def _press(site: Site, peer: Peer) -> Load:
    return press(peer.server, site.large(peer), site.seconds(_SECONDS[peer.name]))


def _nginx(rate: dict[str, float], peer: str) -> str:
    return f"nginx: {figure(rate['nginx'] / rate[peer])} {TIMES}"


def _tuned(rate: dict[str, float]) -> str:
    return f"of nginx tuned: {figure(rate['sekisho'] / rate['nginx tuned'])} {TIMES}"


def _others(figures: dict[str, float]) -> dict[str, float]:
    return {name: figure for name, figure in figures.items() if name != "sekisho"}
