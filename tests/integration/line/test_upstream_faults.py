"""An index that is gone, slow, cut short, lying or broken: the request says so, and goes on when it has recovered."""

import pytest

from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import Site, kinds
from tests.wheels import make_wheel

PAGE, METADATA, FILE = "/simple/{}/", "{}-1.0-py3-none-any.whl.metadata", "{}-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def outside():
    return Outside([])


@pytest.fixture(scope="module")
def upstream(outside):
    with serving(outside) as served:
        yield served
        outside.release()


@pytest.fixture(scope="module")
def line(tmp_path_factory, upstream):
    """A site that all tests of this file share; each asks for a package of its own."""
    site = Site(tmp_path_factory.mktemp("line"), upstream.url, upstream_timeout=0.8)
    try:
        site.up()
        yield site
    finally:
        site.down()


def recovers(line, status):
    """The same request goes on and reaches its end; nothing but the failed part was done twice."""
    said = line.ok("status", status["id"], "--retry", "--wait", who="ana").stdout
    assert f"request {status['id']}: approved" in said
    after = line.status(status["id"])
    assert kinds(after)[-5:] == ["resolved", "inspected", "judged", "approval-intended", "approved"]
    assert "retried" in kinds(after)
    line.settled()


@pytest.mark.parametrize(
    ("name", "fault", "end", "words"),
    [
        ("page500", "500", PAGE, "it answers 500"),
        ("file500", "500", FILE, "it answers 500"),
        ("filecut", "truncated", FILE, "peer closed connection"),
        ("pageslow", "slow", PAGE, "it took too long"),
        ("fileslow", "slow", FILE, "it took too long"),
        ("pagewrong", "wrong", PAGE, "sent a page that cannot be read"),
        ("metawrong", "wrong", METADATA, "sent metadata that hashes to sha256:"),
        ("filewrong", "wrong", FILE, "sent other bytes than were asked for: the bytes hash to sha256:"),
    ],
)
def test_a_fault_of_the_index_fails_the_request_with_its_reason(line, outside, name, fault, end, words):
    outside.wheels.append(make_wheel(name))
    outside.spoil(end.format(name), fault)
    said = line.refused("request", name, "--python", "3.11.2", "--wait", who="ana")
    outside.release()
    status = line.newest()
    stage = "inspect" if end == FILE else "resolve"
    assert "source 'fake'" in said
    assert words in said
    assert name in said.partition("where:")[0] or end == FILE  # which page it was
    assert f"where: request {status['id']}, {stage}: " in said
    assert f"then go on with `sekisho status {status['id']} --retry --wait`" in said
    assert kinds(status)[-1] == "failed"
    line.settled()
    recovers(line, status)


def test_an_index_that_is_gone_fails_the_request(line, outside, upstream):
    outside.wheels.append(make_wheel("gone"))
    upstream.stop()
    said = line.refused("request", "gone", "--python", "3.11.2", "--wait", who="ana")
    status = line.newest()
    assert "source 'fake' does not answer as it should: All connection attempts failed" in said
    upstream.start()
    recovers(line, status)


def test_a_request_that_has_not_failed_is_not_retried(line, outside):
    outside.wheels.append(make_wheel("fine"))
    line.ok("request", "fine", "--python", "3.11.2", "--wait", who="ana")
    request = line.newest()["id"]
    said = line.refused("status", request, "--retry", who="ana")
    assert f"request {request} has not failed, it is approved" in said
    assert line.status(request)["state"] == "approved"


def test_the_errors_code_is_there_for_machines(line, outside):
    outside.wheels.append(make_wheel("machine"))
    outside.spoil(FILE.format("machine"), "wrong")
    done = line.run("request", "machine", "--python", "3.11.2", "--wait", "--json", who="ana")
    outside.release()
    assert done.returncode == 1
    assert '"code": "corrupt"' in done.stdout
    assert done.stderr.startswith("sekisho: asking\n")
    assert "corrupt" not in done.stderr
