"""Tokens of others: what is for Sekisho's own rooms opens for the token of this installation, and for nothing else."""

import json
from base64 import b64encode

import pytest

from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House
from tests.unit.portal.house import House as PortalHouse
from tests.unit.portal.house import Web

SIDE_DOORS = [
    ("GET", "/candidates/simple/alpha/"),
    ("GET", "/candidates/artifacts/alpha/1.2"),
    ("GET", "/candidates/files/fake/packages/x-1.0-py3-none-any.whl.metadata"),
    ("GET", "/api/demand"),
    ("POST", "/quarantine"),
]


def _bearer(token):
    return {"authorization": f"Bearer {token}"}


def _basic(user, password):
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def strangers(tmp_path, upstream):
    """Everything that somebody may hold who is not a room of this installation."""
    web = Web(PortalHouse(tmp_path / "portal"))
    with run_asgi(upstream) as url:
        other = House(tmp_path / "other", upstream=url).token
    people = {name: web.secrets[name] for name in ("rita", "bo", "anna", "otto", "ada", "service")}
    web.house.ledger._engine.dispose()
    return {**people, "another installation": other, "nothing": "-", "a part": other[:20]}


@pytest.mark.parametrize(("method", "path"), SIDE_DOORS)
def test_no_token_of_a_person_or_of_another_installation_opens_a_side_door(house, strangers, method, path):
    house.settle()
    body = json.dumps({"artifacts": []}) if method == "POST" else None
    with house.open() as client:
        for who, token in strangers.items():
            for headers in (
                _bearer(token),
                _basic("__token__", token),
                _basic(token, ""),
                {"cookie": f"sekisho_token={token}"},
            ):
                answer = client.request(method, path, headers=headers, content=body)
                assert answer.status_code == 401, (who, headers)
                assert "www-authenticate" in answer.headers
        assert client.request(method, path, headers=_bearer(house.token), content=body).status_code in {200, 404}


def test_a_token_opens_no_other_workspace(house, approved, strangers):
    """Doors are anonymous: who somebody is never widens what a workspace may have."""
    house.settle(house.approval(approved[0], scope=("team-a",)))
    path = f"pypi/files/{approved[0].path}"
    with house.open() as client:
        assert client.get(f"/w/team-a/{path}").status_code == 200
        for token in [*strangers.values(), house.token]:
            for headers in (_bearer(token), _basic("__token__", token), {}):
                for workspace in ("everyone", "team-b"):
                    answer = client.get(f"/w/{workspace}/{path}", headers=headers)
                    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
