"""What each specification of the simple API asks of an index, shown on a page that a proxy serves.

"Spec" is the simple repository API of the Python packaging specifications, version 1.4. Each row of ``TABLE`` is one
sentence of it, named by its PEP, and a check that a client outside could make.
"""

import hashlib
import re
from types import SimpleNamespace

import pytest
from pip._internal.index.collector import IndexContent, parse_links
from pypi_simple import ProjectPage

from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.wheels import make_wheel

JSON, HTML = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html"
PAGE = "/w/everyone/pypi/simple"
UPLOADED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A proxy with ``a.Project`` on it: a whole wheel, a yanked one, and one of which the index said very little."""
    wheels = [make_wheel("a-project", release, requires_python=">=3.8") for release in ("1.0", "1.1", "2.0")]
    upstream = FakeUpstream(wheels=wheels, provenance=True)
    status = {"project-status": "archived", "project-status-reason": 'go to "b" & <c>'}
    whole = wheels[0].artifact(attested=True)
    bare = wheels[2].artifact(stated=False)
    bare = bare.model_copy(update={"uploaded": None, "size": 0, "index": {**bare.index, **status}})
    with run_asgi(upstream) as url:
        house = House(tmp_path_factory.mktemp("house"), upstream=url)
        house.settle(
            house.approval(whole), house.approval(wheels[1].artifact(yanked='too <b>"old"')), house.approval(bare)
        )
        with house.open() as client:
            client.get(f"/w/everyone/pypi/files/{bare.path}.metadata").raise_for_status()  # before the page is made
            json_answer = client.get(f"{PAGE}/a-project/", headers={"accept": JSON})
            html_answer = client.get(f"{PAGE}/a-project/", headers={"accept": HTML})
            yield SimpleNamespace(
                client=client, wheels=wheels, json=json_answer, html=html_answer, page=json_answer.json(),
                rows={row["filename"]: row for row in json_answer.json()["files"]},
                parsed=ProjectPage.from_html("a-project", html_answer.text, str(html_answer.url)),
            )  # fmt: skip


def _get(served, accept=None, path=f"{PAGE}/a-project/", **more):
    return served.client.get(path, headers={"accept": accept} if accept else {}, **more)


def _kind(answer):
    return answer.headers.get("content-type", "").partition(";")[0]


def _project_urls_end_with_a_slash(served):
    moved = _get(served, path=f"{PAGE}/a-project")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{PAGE}/a-project/")
    assert _get(served, path=PAGE).headers["location"] == f"{PAGE}/"


def _names_are_normalised(served):
    for spelling in ("A_Project", "a.project", "A--Project", "a-._-PROJECT"):
        assert _get(served, JSON, path=f"{PAGE}/{spelling}/").content == served.json.content
    assert served.page["name"] == "a-project"
    assert _get(served, JSON, path=f"{PAGE}/").json()["projects"] == [{"name": "a-project"}]


def _anchors_name_the_file_and_its_hash(served):
    links = re.findall(r'<a href="([^"#]+)#sha256=([0-9a-f]{64})"[^>]*>([^<]+)</a>', served.html.text)
    assert sorted((url.rpartition("/")[2], sha256, name) for url, sha256, name in links) == sorted(
        (wheel.filename, wheel.sha256, wheel.filename) for wheel in served.wheels
    )
    assert served.html.text.startswith("<!DOCTYPE html>")


def _python_versions_are_stated_escaped(served):
    assert served.html.text.count('data-requires-python="&gt;=3.8"') == len(served.wheels)
    assert {row["requires-python"] for row in served.page["files"]} == {">=3.8"}


def _a_yank_goes_along_with_its_reason(served):
    old = served.wheels[1].filename
    assert served.rows[old]["yanked"] == 'too <b>"old"'
    assert {row["yanked"] for name, row in served.rows.items() if name != old} == {False}
    assert [p.filename for p in served.parsed.packages if p.is_yanked] == [old]
    assert "<b>" not in served.html.text


def _the_version_of_the_api_is_stated(served):
    assert served.page["meta"]["api-version"] == "1.4"
    assert '<meta name="pypi:repository-version" content="1.4">' in served.html.text


def _metadata_is_beside_each_wheel_and_hashes_as_stated(served):
    for wheel in served.wheels:
        row = served.rows[wheel.filename]
        answer = served.client.get(served.json.url.join(row["url"] + ".metadata"))
        assert answer.content == wheel.metadata
        assert row["core-metadata"] == {"sha256": hashlib.sha256(answer.content).hexdigest()}


def _metadata_has_both_its_names_in_html(served):
    new = re.findall(r'data-core-metadata="([^"]+)"', served.html.text)
    assert new == re.findall(r'data-dist-info-metadata="([^"]+)"', served.html.text)
    assert len(new) == len(served.wheels)
    assert all("dist-info-metadata" not in row for row in served.page["files"])


def _types_are_negotiated_by_weight_and_specificity(served):
    assert _kind(_get(served, f"{JSON}, {HTML};q=0.2, text/html;q=0.01")) == JSON
    assert _kind(_get(served, f"text/html;q=0.3, {JSON};q=0.2")) == "text/html"
    assert _kind(_get(served, f"*/*, {JSON};q=0, text/html;q=0")) == HTML
    assert _kind(_get(served, "application/vnd.pypi.simple.latest+json")) == JSON
    assert _kind(_get(served, "application/vnd.pypi.simple.latest+html")) == HTML
    assert _kind(_get(served)) == _kind(_get(served, "*/*")) == "text/html"


def _what_no_form_fits_is_406(served):
    answer = _get(served, "application/vnd.pypi.simple.v2+json")
    assert answer.status_code == 406
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


def _a_url_parameter_may_name_the_type(served):
    assert _kind(_get(served, "text/html", params={"format": JSON})) == JSON
    assert _kind(_get(served, JSON, params={"format": "image/png"})) == JSON


def _relative_urls_lead_to_the_files(served):
    for wheel in served.wheels:
        assert served.client.get(served.json.url.join(served.rows[wheel.filename]["url"])).content == wheel.data


def _versions_and_sizes_are_mandatory(served):
    assert served.page["versions"] == ["1.0", "1.1", "2.0"]
    assert {row["filename"]: row["size"] for row in served.page["files"]} == {
        wheel.filename: len(wheel.data) for wheel in served.wheels
    }


def _every_file_has_an_upload_time_in_utc(served):
    assert all(UPLOADED.fullmatch(row["upload-time"]) for row in served.page["files"])
    undated = served.rows[served.wheels[2].filename]["upload-time"]
    assert undated > served.rows[served.wheels[0].filename]["upload-time"]


def _provenance_is_a_whole_url_that_answers(served):
    name = served.wheels[0].filename
    url = served.rows[name]["provenance"]
    assert url == f"{served.json.url.join(served.rows[name]['url'])}.provenance"
    assert served.client.get(url).json() == {"version": 1, **served.client.get(url).json()}
    assert {p.filename: p.provenance_url for p in served.parsed.packages}[name] == url
    assert sum("provenance" in row for row in served.page["files"]) == 1


def _a_projects_status_goes_along_with_its_reason(served):
    assert served.page["project-status"] == {"status": "archived", "reason": 'go to "b" & <c>'}
    assert (served.parsed.status.value, served.parsed.status_reason) == ("archived", 'go to "b" & <c>')


def _both_forms_list_the_same_files(served):
    def links(answer):
        content = IndexContent(answer.content, _kind(answer), "utf-8", str(answer.url), cache_link_parsing=False)
        return [(link.url_without_fragment, link._hashes, link.yanked_reason) for link in parse_links(content)]

    assert links(served.json) == links(served.html)
    assert len(links(served.json)) == len(served.wheels)


TABLE = [
    ("PEP 503", "project pages end with a slash, and others lead there", _project_urls_end_with_a_slash),
    ("PEP 503", "names are normalised", _names_are_normalised),
    ("PEP 503", "each anchor is named as its file and has its hash", _anchors_name_the_file_and_its_hash),
    ("PEP 503", "data-requires-python is escaped", _python_versions_are_stated_escaped),
    ("PEP 592", "a mirror that lists a yanked file says so", _a_yank_goes_along_with_its_reason),
    ("PEP 629", "the version of the API is stated", _the_version_of_the_api_is_stated),
    ("PEP 658", "METADATA is beside each wheel, and its hash is stated", _metadata_is_beside_each_wheel_and_hashes_as_stated),
    ("PEP 714", "HTML has the new name and the old one, JSON the new one", _metadata_has_both_its_names_in_html),
    ("PEP 691", "weights and specificity choose the type", _types_are_negotiated_by_weight_and_specificity),
    ("PEP 691", "406 where no form fits", _what_no_form_fits_is_406),
    ("PEP 691", "format in the URL takes precedence", _a_url_parameter_may_name_the_type),
    ("PEP 691", "relative URLs lead to the files", _relative_urls_lead_to_the_files),
    ("PEP 700", "versions and sizes are mandatory", _versions_and_sizes_are_mandatory),
    ("PEP 700", "upload-time is UTC", _every_file_has_an_upload_time_in_utc),
    ("PEP 740", "provenance is a whole URL", _provenance_is_a_whole_url_that_answers),
    ("PEP 792", "a status that is not active is told in both forms", _a_projects_status_goes_along_with_its_reason),
    ("PEP 833", "HTML is rendered from what JSON says", _both_forms_list_the_same_files),
]  # fmt: skip


@pytest.mark.parametrize("check", [row[2] for row in TABLE], ids=[f"{pep}: {sentence}" for pep, sentence, _ in TABLE])
def test_conformance(served, check):
    check(served)
