import pytest

from sekisho_proxy.api.table import routes_of
from sekisho_proxy.observe import Observer
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.wheels import make_wheel


@pytest.fixture
def upstream():
    """A fake upstream with ``alpha`` (needs ``beta``), ``beta``, ``gamma`` and ``evil``."""
    alpha = make_wheel("alpha", "1.2", requires=("beta>=1",), requires_python=">=3.8")
    return FakeUpstream(wheels=[alpha, make_wheel("beta", "2.0"), make_wheel("gamma"), make_wheel("evil")])


@pytest.fixture
def house(tmp_path, upstream):
    """An installation whose only source is the fake upstream."""
    with run_asgi(upstream) as url:
        yield House(tmp_path, upstream=url)


@pytest.fixture
def approved(upstream):
    """The artifacts of ``alpha`` and ``beta``."""
    return [wheel.artifact() for wheel in upstream.wheels[:2]]


@pytest.fixture(autouse=True)
def _answers_are_described(monkeypatch):
    """Whatever a proxy of these tests answers is in the table of routes: address, method, status and media type."""
    saw, odd = Observer.saw, []

    def look(self, request, reply, began):
        rows = list(routes_of(request.path))
        kind = dict(reply.headers).get(b"content-type", b"").decode().partition(";")[0]
        said = [row for row in rows if request.method in row.methods or reply.status in {401, 405}]
        right = any(kind in row.answers.get(reply.status, ()) or row.answers.get(reply.status) == () for row in said)
        if not right and (rows or reply.status < 400):
            odd.append((request.method, request.path, reply.status, kind))
        saw(self, request, reply, began)

    monkeypatch.setattr(Observer, "saw", look)
    yield
    assert odd == []
