import contextlib

import pytest

from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import Site


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
            stack.callback(lambda: site._process and site.down())
            if up:
                site.up()
            return site

        yield make


@pytest.fixture
def site(make_site):
    """A running site with one source, no registry and no engine."""
    return make_site()
