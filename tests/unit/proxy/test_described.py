"""The table of routes says what there is. That answers are as it says is checked on every request of the integration tests."""

import asyncio

import pytest

from sekisho.settings import Settings
from sekisho_proxy.api.openapi import openapi
from sekisho_proxy.api.table import ROUTES, routes_of
from sekisho_proxy.compose import open_app


def _handlers(folder, *, replica):
    async def scenario():
        async with open_app(Settings(data=folder, portal_url="http://127.0.0.1:9", replica=replica)) as app:
            return set(app._handle._handlers)

    return asyncio.run(scenario())


def _key(path):
    path = path.removeprefix("/t/{token}")  # which is taken out before anybody looks
    first = path.split("/")[1]
    below = first in {"w", "candidates"} or path.startswith("/quarantine/")
    return f"/{first}/" if below else path


def test_every_handler_has_its_rows_and_every_row_its_handler(tmp_path):
    assert _handlers(tmp_path / "open", replica=False) == {_key(route.path) for route in ROUTES}
    assert _handlers(tmp_path / "closed", replica=True) < {_key(route.path) for route in ROUTES}


def test_the_document_has_every_row_and_every_parameter():
    document = openapi()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {route.path for route in ROUTES}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = {row["name"] for row in operation["parameters"] if row["in"] == "path"}
            assert named == {part.split("}")[0] for part in path.split("{")[1:]}, path
    text = str(document)
    assert "#/$defs" not in text
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/w/everyone/pypi/simple/", ["/w/{workspace}/pypi/simple/"]),
        ("/w/everyone/@2026-11-24/pypi/simple/six/", ["/w/{workspace}/@{address}/pypi/simple/{project}/"]),
        ("/w/a/pypi/files/x/y.whl", ["/w/{workspace}/pypi/files/{path}"]),
        (
            "/w/a/pypi/files/x/y.whl.metadata",
            ["/w/{workspace}/pypi/files/{path}", "/w/{workspace}/pypi/files/{path}.metadata"],
        ),
        ("/w/a/pypi/simple/b/c", []),
        (
            "/w/a/conda/c/noarch/repodata.json",
            ["/w/{workspace}/conda/{source}/{subdir}/{index}.json", "/w/{workspace}/conda/{source}/{path}"],
        ),
        ("/healthz/", []),
        ("/quarantine", ["/quarantine"]),
    ],
)
def test_a_path_is_found_in_the_table(path, found):
    assert [route.path for route in routes_of(path)] == found
