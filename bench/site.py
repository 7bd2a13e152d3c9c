"""Everything that runs while figures are taken: the upstream, our proxy and its peers, each warmed in the same way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2

from bench import clients, nginx, peers, policy, pypi, upstream
from bench.peers import JSON, Peer
from bench.place import Place, Say
from bench.processes import Servers, timed
from sekisho.allowlist import SignedApproval

FIRST = "fastapi"
"""The project whose page is a server's first answer."""

COLD = ("cold-1", "cold-2", "cold-3")
"""Workspaces whose doors are opened for the first time when that is measured."""


class Site(NamedTuple):
    """The servers, and how much is done with them. ``large`` is the address of each one's very large page."""

    place: Place
    servers: Servers
    taken: pypi.Taken
    upstream: upstream.Upstream
    portal: policy.Portal
    ours: Peer
    nginx: Peer
    tuned: Peer
    proxpi: Peer
    devpi: Peer
    cold: dict[str, float]
    """Seconds of the first page of a mirror that has just been made, by peer."""
    quick: bool
    say: Say

    @property
    def all(self) -> tuple[Peer, ...]:
        """Return every server, ours first."""
        return self.ours, self.nginx, self.proxpi, self.devpi

    def large(self, peer: Peer) -> str:
        """Return the address of a server's very large page."""
        return peer.page(upstream.LARGE).replace("/w/everyone/", "/w/large/")

    def rounds(self, number: int) -> int:
        """Return how often to measure, which is once where things are only tried out."""
        return 1 if self.quick else number

    def seconds(self, number: int) -> int:
        """Return how long to measure."""
        return (number + 1) // 2 if self.quick else number


@contextmanager
def open_site(place: Place, say: Say, *, quick: bool) -> Iterator[Site]:
    """Start everything, warm it, and end it when the context is left."""
    taken = pypi.take(place.cache, say)
    servers = Servers()
    portal = None
    try:
        say("starting the upstream on loopback")
        above = upstream.start(servers, place.work / "upstream", taken, big_size=10_000_000 if quick else 100_000_000)
        portal = policy.Portal(above.url)
        portal.publish(approvals(portal, taken, above))
        folder = place.work / "sekisho"
        policy.write_trust(portal, folder / "data")
        say("starting our proxy")
        ours = peers.ours(servers, folder, portal.url, first=FIRST)
        say("starting proxpi")
        proxpi = peers.proxpi(servers, place.work / "proxpi", above.url)
        say("starting devpi-server")
        devpi = peers.devpi(servers, place.work / "devpi", above.url)
        say("asking proxpi and devpi for their first page")
        cold = {peer.name: first_page(peer) for peer in (proxpi, devpi)}
        files = place.work / "nginx"
        lay_files(files / "root", ours, taken, above)
        plain, tuned = peers.plain_files(servers, files, first=FIRST)
        site = Site(place, servers, taken, above, portal, ours, plain, tuned, proxpi, devpi, cold, quick, say)
        _warm(site)
        yield site
    finally:
        servers.stop_all()
        if portal:
            portal.stop()


def approvals(portal: policy.Portal, taken: pypi.Taken, above: upstream.Upstream) -> list[SignedApproval]:
    """Return what is approved: the files of the set, one each; the very large page for workspaces of its own."""
    return [
        *policy.resolved(portal, taken),
        *(portal.approve([wheel.artifact(policy.SOURCE)], "everyone") for wheel in (above.big, above.herd)),
        policy.whole_page(portal, taken, upstream.LARGE, "large", *COLD),
    ]


def lay_files(root: Path, ours: Peer, taken: pypi.Taken, above: upstream.Upstream) -> None:
    """Lay down for nginx what our proxy answers: the same pages, byte for byte, and the same files."""
    large = ours.page(upstream.LARGE).replace("/w/everyone/", "/w/large/")
    projects = sorted({wheel.project for wheel in taken.wheels})
    with httpx2.Client(trust_env=False, timeout=60) as client:
        for url in (large, *(ours.page(project) for project in (*projects, above.big.project))):
            path = httpx2.URL(url).path
            nginx.lay_page(root, path, _body(client, url, "identity") or b"", _body(client, url, "gzip"))
    for wheel in (*taken.wheels, above.big):
        base = "w/everyone/pypi/files/"
        nginx.lay_file(root, base + wheel.path, wheel.file)
        nginx.lay_file(root, f"{base}{wheel.path}.metadata", wheel.metadata)


def first_page(peer: Peer) -> float:
    """Return how many seconds the very large page takes; devpi reads the list of all projects before its first one."""
    return timed(lambda: peer.server.wait_for(peer.page(upstream.LARGE), accept=JSON, seconds=180.0))


def _body(client: httpx2.Client, url: str, encoding: str) -> bytes | None:
    """Return a page as it comes for that ``Accept-Encoding``, or nothing if it comes in another encoding."""
    headers = {"accept": JSON, "accept-encoding": encoding}
    with client.stream("GET", url, headers=headers) as answer:
        answer.raise_for_status()
        body = b"".join(answer.iter_raw())
        return body if answer.headers.get("content-encoding", "identity") == encoding else None


def _warm(site: Site) -> None:
    """Have each server fetch the set, the big file and the very large page once."""
    for peer in site.all:
        site.say(f"warming {peer.name}: the set, the big wheel, the very large page")
        clients.pip_download(peer.root, site.place.work)
        clients.uv_compile(peer.root, site.place.work)
        clients.fetch(clients.file_url(peer, site.upstream.big))
        clients.check_page(site.large(peer), {row["filename"] for row in site.taken.pages[upstream.LARGE]["files"]})
