"""Where images are built and pushed to: the base, the wheels, a folder, Debian's registry on loopback."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.images import wheels
from bench.place import ROOT, MeasureError, Place, Say, bare_environment, free_port
from bench.processes import Server, Servers
from sekisho.settings import load_settings
from sekisho_builder.base import open_base
from sekisho_builder.oci import Layout


class Registry(NamedTuple):
    """A registry that logs what it is asked."""

    name: str
    server: Server

    def puts(self) -> list[str]:
        """Return what was put into it so far: the paths of blobs and manifests."""
        lines = (line.split('"')[1].split() for line in self.server.log.read_text().splitlines() if '"PUT ' in line)
        return [path.partition("?")[0] for _, path, *_ in lines]


class Site(NamedTuple):
    """What every measurement needs."""

    place: Place
    servers: Servers
    shelf: wheels.Shelf
    base: Layout
    registry: Registry
    quick: bool
    say: Say

    def rounds(self, number: int) -> int:
        """Return how often to measure, which is once where things are only tried out."""
        return 1 if self.quick else number

    def folder(self, name: str) -> Path:
        """Return a new, empty folder."""
        folder = self.place.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


@contextmanager
def open_site(place: Place, say: Say, *, quick: bool) -> Iterator[Site]:
    """Start the registry, and end it when the context is left."""
    shelf = wheels.take(place.cache, say)
    say("opening the base image")
    base = open_base(wheels.definition(shelf.lock), ROOT / "images", load_settings()).layout
    servers = Servers()
    try:
        registry = start_registry(servers, place.work / "registry")
        say("reading what is kept, so that nobody pays for the disk")
        for file in shelf.files.values():
            file.read_bytes()
        yield Site(place, servers, shelf, base, registry, quick, say)
    finally:
        servers.stop_all()


def start_registry(servers: Servers, folder: Path) -> Registry:
    """Start Debian's docker-registry."""
    found = shutil.which("docker-registry")
    if not found:
        raise MeasureError("docker-registry is not installed; run `sh deploy/setup.sh tools`")
    folder.mkdir(parents=True)
    name = f"127.0.0.1:{free_port()}"
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": name},
    }
    (folder / "config.json").write_text(json.dumps(config))
    server = servers.start("registry", [found, "serve", str(folder / "config.json")], bare_environment(folder), folder)
    server.wait_for(f"http://{name}/v2/")
    return Registry(name, server)
