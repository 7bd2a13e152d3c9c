"""Provenance (PEP 740): listed by a whole URL of ours, behind the file's own gate, kept, and carried over."""

import asyncio
import os

import pytest
from pypi_simple import ProjectPage

from sekisho.errors import CorruptError
from sekisho.keys import load_trust, open_signer
from sekisho_proxy.bundle.arrive import import_bundle
from sekisho_proxy.bundle.export import export_bundle
from tests.integration.proxy.house import House

JSON = "application/vnd.pypi.simple.v1+json"
PAGE = "/w/everyone/pypi/simple/alpha/"


@pytest.fixture
def attested(upstream):
    upstream.provenance = True
    return upstream.wheels[0].artifact(attested=True)


def _listed(client, path=PAGE, **headers):
    return [
        row.get("provenance")
        for row in client.get(path, headers={"accept": JSON, **headers}).json()["files"]
        if "/denied/" not in row["url"]
    ]


def test_it_is_listed_with_a_whole_url_and_relayed_from_there(house, attested, upstream):
    house.settle(house.approval(attested))
    with house.open() as client:
        [url] = _listed(client)
        assert url == f"{str(client.base_url).rstrip('/')}/w/everyone/pypi/files/{attested.path}.provenance"
        answer = client.get(url)
        assert answer.content == upstream.wheels[0].provenance()
        assert answer.headers["content-type"] == "application/vnd.pypi.integrity.v1+json"
        assert client.get(url, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
        assert client.head(url).headers["content-length"] == str(len(answer.content))
        assert upstream.paths("/integrity/") == [f"/{upstream.wheels[0].provenance_path}"]
        html = client.get(PAGE, headers={"accept": "text/html"})
        [row] = [row for row in ProjectPage.from_html("alpha", html.text, str(html.url)).packages if not row.is_yanked]
        assert row.provenance_url == url
        assert _listed(client, host="other.example:99") == [
            url.replace(str(client.base_url.netloc, "ascii"), "other.example:99")
        ]


def test_the_gate_of_the_file_is_the_gate_of_its_provenance(house, attested, upstream):
    house.settle(house.approval(attested, scope=("risk",)), house.approval(upstream.wheels[1].artifact()))
    with house.open() as client:
        assert client.get(f"/w/risk/pypi/files/{attested.path}.provenance").status_code == 200
        refused = client.get(f"/w/everyone/pypi/files/{attested.path}.provenance")
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
        assert client.get(f"/w/everyone/pypi/files/{upstream.wheels[1].path}.provenance").status_code == 404
        assert client.get(f"/w/risk/pypi/files/{attested.path}.provenance.metadata").status_code == 404
        assert len(upstream.paths("/integrity/")) == 1


def test_another_files_provenance_is_not_relayed_and_an_old_one_is_while_the_source_is_away(house, attested, upstream):
    house.settle(house.approval(attested))
    url = f"/w/everyone/pypi/files/{attested.path}.provenance"
    with house.open() as client:
        upstream.faults = {"/integrity/": "wrong"}
        assert client.get(url).status_code == 502
        upstream.faults = {}
        whole = client.get(url).content
        [kept] = (path for path in (house.settings.data / "proxy" / "provenance").rglob("*") if path.is_file())
        os.utime(kept, (0, 0))
        upstream.faults = {"/integrity/": "500"}
        assert client.get(url).content == whole
        kept.write_bytes(whole[:-2])
        assert client.get(url).status_code == 502


def test_it_crosses_in_a_bundle_and_a_replica_lists_only_what_came(house, attested, upstream, tmp_path):
    house.settle(house.approval(attested))
    open_signer(house.settings, "export")
    asyncio.run(export_bundle(house.settings, tmp_path / "whole"))
    upstream.provenance = False
    for kept in (house.settings.data / "proxy" / "provenance").rglob("*"):
        if kept.is_file():
            kept.unlink()
    asyncio.run(export_bundle(house.settings, tmp_path / "bare"))
    for name, listed in (("bare", 0), ("whole", 1)):
        replica = House(tmp_path / f"far-{name}", upstream="http://127.0.0.1:9", replica=True)
        replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
        import_bundle(replica.settings, tmp_path / name)
        assert import_bundle(replica.settings, tmp_path / name).already
        with replica.open() as client:
            urls = [url for url in _listed(client) if url]
            assert len(urls) == listed
            answer = client.get(f"/w/everyone/pypi/files/{attested.path}.provenance")
            assert answer.status_code == (200 if listed else 503)
            assert [client.get(url).content for url in urls] == [upstream.wheels[0].provenance()] * listed


def test_a_provenance_that_was_changed_on_the_way_stops_the_import(house, attested, tmp_path):
    house.settle(house.approval(attested))
    open_signer(house.settings, "export")
    asyncio.run(export_bundle(house.settings, tmp_path / "bundle"))
    [carried] = (path for path in (tmp_path / "bundle" / "provenance").rglob("*") if path.is_file())
    carried.write_bytes(carried.read_bytes()[:-1] + b" ")
    replica = House(tmp_path / "far", upstream="http://127.0.0.1:9", replica=True)
    replica.settings.trust_file.write_text(load_trust(house.settings.trust_file).dump())
    with pytest.raises(CorruptError, match="not what was signed"):
        import_bundle(replica.settings, tmp_path / "bundle")
    assert not (replica.settings.data / "proxy" / "snapshot.json").exists()
