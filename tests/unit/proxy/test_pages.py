import json
from html.parser import HTMLParser

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from sekisho_proxy.pages.tombstone import tombstones
from sekisho_proxy.pages.value import FileRow, ProjectList, ProjectPage

NASTY = '"><script>alert(1)</script>'


class Anchors(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.found.append(dict(attrs))


def test_both_forms_say_the_same():
    row = FileRow(
        "a-1-py3-none-any.whl",
        "../../files/x/a-1-py3-none-any.whl",
        "0" * 64,
        5,
        yanked=NASTY,
        requires_python=">=3.8",
        metadata="1" * 64,
    )
    page = ProjectPage("a", ("1",), (row,))
    plain = json.loads(page.to_json())["files"][0]
    anchors = Anchors()
    anchors.feed(page.to_html().decode())
    [attributes] = anchors.found
    assert "script" not in anchors.tags
    assert attributes["href"] == f"{plain['url']}#sha256={plain['hashes']['sha256']}"
    assert attributes["data-yanked"] == plain["yanked"] == NASTY
    assert attributes["data-requires-python"] == plain["requires-python"]
    assert attributes["data-core-metadata"] == f"sha256={plain['core-metadata']['sha256']}"
    assert attributes["data-dist-info-metadata"] == attributes["data-core-metadata"]


def test_list_of_projects():
    page = ProjectList(("a", "b"))
    assert json.loads(page.to_json())["projects"] == [{"name": "a"}, {"name": "b"}]
    assert b'<a href="b/">b</a>' in page.to_html()


def test_tombstones_are_wheels_of_the_project_in_every_reach():
    page = tombstones("my-thing", "not-approved", "my-thing is not approved", "https://portal.example:8470")
    versions = [parse_wheel_filename(row.filename) for row in page.files]
    assert [name for name, *_ in versions] == ["my-thing", "my-thing"]
    assert versions[0][1] < Version("0.0.1") < Version("2099.1") < versions[1][1]
    assert all("rule.not.approved.ask.at.portal.example.port.8470" in str(version) for _, version, *_ in versions)
    assert all(
        "(rule not-approved). Ask at https://portal.example:8470/requests/new?project=my-thing" in row.yanked
        for row in page.files
    )
    assert page.files[0].url.startswith("../../../denied/not-approved--ask-at-portal.example%3A8470/")


def test_an_empty_yank_is_still_a_yank():
    assert FileRow("f", "u", "0" * 64, 1, yanked="").plain()["yanked"] is True
