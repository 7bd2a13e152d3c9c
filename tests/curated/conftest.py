import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from sekisho.settings import load_settings
from tests.channels import Channel, FakeChannels, python_package
from tests.channels.from_index import of_sklearn
from tests.integration.line.outside import serving
from tests.integration.line.registry import RealRegistry
from tests.integration.line.site import ROOT, Site

IMAGE = "sklearn-conda"
REPORT = ROOT / "build" / "images-conda.json"


class Line:
    """A running site, the channel that it asks, and what the request for the image came to."""

    def __init__(self, folder: Path, site: Site, registry: RealRegistry, channel: Channel) -> None:
        self.folder, self.site, self.registry, self.channel = folder, site, registry, channel
        self.figures: dict[str, object] = {}
        self.request = ""
        self.status: dict = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.figures[f"{what}_seconds"] = round(time.monotonic() - began, 2)

    def through(self) -> None:
        """Ask, have it approved, and wait until the image is in the registry."""
        site = self.site
        asked = site.ok("request", "--image", IMAGE, "--reason", "tables in a closed zone", "--json", who="ana")
        self.request = json.loads(asked.stdout)["id"]
        with self.timed("resolved"):
            site.reach(self.request, "inspecting", "judging", "waiting", seconds=600)
        with self.timed("inspected_and_judged"):
            site.reach(self.request, "waiting", seconds=600)
        site.ok("approve", self.request, "--reason", "looked at what is in review", who="ben")
        for state in ("locked", "assembled", "gated", "delivered"):
            with self.timed(state):
                self.status = site.reach(self.request, *_FROM[state], seconds=1800)


_STATES = ("locked", "assembled", "gated", "delivered")
_FROM = {state: _STATES[number:] for number, state in enumerate(_STATES)}


def lay_images(site: Site) -> None:
    """Lay the image's definition as it is in the tree, but for this machine's Python in place of its own."""
    shutil.copytree(ROOT / "images" / "debian-12", site.images / "debian-12")
    shutil.copytree(ROOT / "images" / IMAGE, site.images / IMAGE)
    path = site.images / IMAGE / "image.yaml"
    text = path.read_text()
    asked = yaml.safe_load(text)["target"]["python"]
    changed = text.replace(asked, python_package().version)
    assert changed.count(python_package().version) == 2
    path.write_text(changed)


@pytest.fixture(scope="session")
def line(tmp_path_factory):
    """The image of the tree's definition, delivered, from a channel of real software and an index that is PyPI."""
    folder = tmp_path_factory.mktemp("line")
    channel = Channel(of_sklearn())
    assert channel.files
    registry = RealRegistry(folder / "registry")
    registry.start()
    with serving(FakeChannels(channels={"forge": channel})) as served:
        site = Site(folder / "site", served.url, registry=registry.name, base_cache=load_settings().base_cache)
        site.engine = os.environ.get("DOCKER_HOST")
        sources = yaml.safe_load((ROOT / "allowlists" / "sources.yaml").read_text())
        sources["sources"].append({"id": "forge", "kind": "conda", "url": f"{served.url}/forge", "ages": "stated"})
        (site.allowlists / "sources.yaml").write_text(yaml.safe_dump(sources))
        lay_images(site)
        site.commit("A channel, and an image of it")
        site.up()
        found = Line(folder, site, registry, channel)
        try:
            found.through()
            yield found
        finally:
            REPORT.parent.mkdir(exist_ok=True)
            REPORT.write_text(json.dumps(found.figures, indent=2) + "\n")
            site.down(signal.SIGKILL)
            registry.stop()
