import contextlib
import shutil
import signal
from pathlib import Path

import pytest

from sekisho.errors import MissingToolError, UpstreamError
from sekisho.model import ImageDefinition
from sekisho.settings import load_settings
from sekisho_builder.base import open_base
from tests.integration.line.outside import Outside, serving
from tests.integration.line.registry import FakeRegistry, RealRegistry, tiny_base
from tests.integration.line.site import ROOT, Site


@pytest.fixture
def outside():
    """An index with the usual wheels."""
    return Outside()


@pytest.fixture
def upstream(outside):
    """The index on its port, up."""
    with serving(outside) as served:
        yield served
        outside.release()


@pytest.fixture
def make_site(tmp_path, upstream):
    """Make sites, running or to be started, that end with the test."""
    with contextlib.ExitStack() as stack:

        def make(*, up: bool = True, **settings) -> Site:
            site = Site(tmp_path / "site", upstream.url, **settings)
            stack.callback(lambda: site._process and site.down(signal.SIGKILL))
            if up:
                site.up()
            return site

        yield make


@pytest.fixture
def site(make_site):
    """A running site with one source, no registry and no engine."""
    return make_site()


@pytest.fixture
def registry(tmp_path):
    """A fake registry that holds a tiny base and takes nothing; give it and where it listens."""
    with serving(FakeRegistry(tiny_base(tmp_path / "tiny"))) as served:
        yield served
        served.app.release()


@pytest.fixture
def tiny(registry):
    """The base of an image definition that needs no Debian: it comes from the fake registry."""
    return {"image": f"127.0.0.1:{registry.port}/base@sha256:{registry.app.base.manifest_sha256}"}


def debian_bases(name: str) -> Path:
    """Return the folder of base images on this machine, with a Debian one in it; skip where it cannot be had."""
    settings = load_settings()
    value = {"name": "x", "base": {"debian": name}, "requirements": ["x"]}
    definition = ImageDefinition.parse({**value, "target": {"python": "3.11.2", "glibc": "2.36"}}, where="test")
    try:
        open_base(definition, ROOT / "images", settings)
    except (MissingToolError, UpstreamError) as error:
        pytest.skip(f"no base image: {error.what}")
    return settings.base_cache


@pytest.fixture(scope="session")
def bases():
    """The folder of base images, with the one that images stand on."""
    return debian_bases("debian-12-python")


@pytest.fixture(scope="session")
def build_bases(bases):
    """The same, with the one that C is built on."""
    return debian_bases("debian-12-build")


@pytest.fixture
def real_registry(tmp_path):
    """A registry that can be started; skipped where ``docker-registry`` is not installed."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    registry = RealRegistry(tmp_path / "registry")
    yield registry
    registry.stop()
