"""What plain uv satisfies we satisfy, whatever is approved and whatever policy would say: the real uv, on small indexes."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.errors import UnresolvableError
from sekisho.model import Outcome
from sekisho_builder.offers import Offers
from sekisho_builder.programs import Programs
from sekisho_builder.resolve import resolve
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.records import request
from tests.wheels import make_wheel

NAMES = ("one", "two", "three", "four")
RELEASES = ("1.0", "2.0", "3.0", "4.0rc1")
SPECIFIERS = ("", ">=2", "<3", "!=2.0", "==1.0", ">3.5")

needs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(SPECIFIERS)), max_size=2)
indexes = st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from(RELEASES)), needs, min_size=4, max_size=12)
requests = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(SPECIFIERS)), min_size=1, max_size=3, unique_by=lambda row: row[0]
)


class Proxy:
    """The candidate mount, over a fake index."""

    ca = None

    def __init__(self, url, upstream):
        self._url = url
        self._upstream = upstream

    def answers(self):
        pass

    def index_url(self):
        return f"{self._url}/simple/"

    def artifacts(self, project, release=None):
        wheels = [one for one in self._upstream.wheels if one.project == project]
        return tuple(one.artifact() for one in wheels if release in (None, one.release))

    def with_metadata(self, artifact):
        return artifact


@pytest.fixture(scope="module")
def proxy():
    upstream = FakeUpstream()
    with run_asgi(upstream) as url:
        yield Proxy(url, upstream)


def _lines(rows):
    return tuple(f"{name}{specifier}" for name, specifier in rows)


def _answer(proxy, asked, offers=None):
    try:
        return resolve(asked, proxy, lambda *_: None, Programs().run, offers=offers)
    except UnresolvableError:
        return None


@settings(
    max_examples=200 if os.environ.get("SEKISHO_SOAK") else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), index=indexes, wanted=requests)
def test_what_uv_satisfies_is_satisfied_and_never_with_more_that_is_denied(proxy, data, index, wanted):
    proxy._upstream.wheels = [
        make_wheel(name, release, requires=_lines(row for row in needed if row[0] != name))
        for (name, release), needed in index.items()
    ]
    files = [wheel.artifact() for wheel in proxy._upstream.wheels]
    said = {file.sha256: data.draw(st.sampled_from(Outcome), label=file.name) for file in files}
    approved = [file for file in files if data.draw(st.booleans(), label=f"{file.name} approved")]
    asked = request(*_lines(wanted))

    def rate(some, _newest):
        return {file.sha256: said[file.sha256] for file in some}

    plain = _answer(proxy, asked)
    ours = _answer(proxy, asked, Offers(asked, proxy, approved, rate))
    assert (ours is None) == (plain is None)
    if ours and plain:
        assert _check(proxy, ours)
        unwanted = [sum(said[one.sha256] is Outcome.DENY for one in found.artifacts) for found in (ours, plain)]
        if not approved:
            assert unwanted[0] <= unwanted[1]


def _check(proxy, closure):
    """Tell whether uv takes the answer for one: everything in it pinned, nothing missing."""
    pins = request(*closure.direct, *(f"{one.project}=={one.release}" for one in closure.artifacts))
    again = _answer(proxy, pins)
    return again is not None and {one.sha256 for one in again.artifacts} == {one.sha256 for one in closure.artifacts}
