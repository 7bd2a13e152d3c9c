"""The command line against the real application, over loopback."""

import json

import pytest

from tests.command_line import run
from tests.fake_upstream import run_asgi
from tests.records import facts
from tests.unit.portal.house import GPL, NUMPY


@pytest.fixture
def sekisho(web):
    with run_asgi(web.app) as url:
        yield lambda who, *arguments: run(*arguments, SEKISHO_PORTAL_URL=url, SEKISHO_TOKEN=web.secrets.get(who, who))


def _ask(sekisho, *arguments):
    return json.loads(sekisho("rita", "request", *arguments, "--python", "3.11.2", "--json").out)["id"]


def test_a_request_goes_from_the_asking_to_the_approval(web, sekisho):
    request = _ask(sekisho, "numpy", "--reason", "because")
    web.house.resolve(request, NUMPY)
    web.house.inspect(request, facts(NUMPY, **GPL))

    waiting = sekisho("rita", "status", request, "--wait")
    assert waiting.out.startswith(f"request {request}: waiting")

    own = sekisho("rita", "approve", request, "--reason", "mine")
    assert own.status == 1
    assert "rita asked for this and cannot also approve it" in own.err

    done = sekisho("anna", "approve", request, "--reason", "fits", "--expires", "2099-01-01")
    assert done.status == 0
    assert "approved by anna: fits" in done.out

    why = sekisho("rita", "why", "numpy")
    assert "anna approved" in why.out
    assert f"{request}  approved   rita: numpy" in sekisho("rita", "status").out


@pytest.mark.parametrize("name", ["evil @ http://example.invalid/evil.whl", "-r", "../x", "numpy>="])
def test_what_names_no_project_is_refused(web, sekisho, name):
    done = sekisho("rita", "request", "--python", "3.11.2", "--", name)
    assert done.status == 1
    assert "requirements" in done.err
    assert web.house.desk.all() == []


def test_a_wrong_python_version_is_refused(sekisho):
    done = sekisho("rita", "request", "numpy", "--python", "3.11")
    assert done.status == 1
    assert "python" in done.err


@pytest.mark.parametrize("token", ["", "skp_wrong"])
def test_without_a_token_that_is_known_nothing_goes(sekisho, token):
    done = sekisho(token, "status", "--json")
    assert done.status == 1
    assert json.loads(done.out)["error"]["code"] == "unauthenticated"


def test_an_approver_cannot_ask(sekisho):
    done = sekisho("anna", "request", "numpy", "--python", "3.11.2")
    assert done.status == 1
    assert "has none of the roles requester" in done.err


def test_a_denial_is_shown_to_the_requester(web, sekisho):
    request = web.house.waiting(NUMPY)
    assert sekisho("anna", "deny", request, "--reason", "not needed").status == 0
    assert "denied by anna: not needed" in sekisho("rita", "status", request).out
    waited = sekisho("rita", "status", request, "--wait")
    assert waited.status == 1
    assert "anna denied it: not needed" in waited.err


def test_a_failed_request_is_tried_again(web, sekisho):
    request = web.house.ask()
    web.house.report(request, "failed", stage="resolve", problem={"code": "upstream", "title": "the proxy is down"})
    assert sekisho("rita", "status", request, "--wait").status == 1
    assert sekisho("rita", "status", request, "--retry").out.startswith(f"request {request}: resolving")


def test_an_unknown_request_is_said(sekisho):
    done = sekisho("rita", "status", "r404")
    assert done.status == 1
    assert "there is no request r404" in done.err
