import json
from html.parser import HTMLParser

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


def test_a_person_reads_why_files_are_yanked_once_for_each_reason():
    rows = [FileRow(f"{n}.whl", "u", "0" * 64, 1, yanked=why) for n, why in enumerate(("so", "so", None, "", "a<b"))]
    told = ProjectPage("a", (), tuple(rows)).to_html().decode().splitlines()[3:-1]
    assert [line.partition("</a>")[2] for line in told] == [" so<br>", "<br>", "<br>", "<br>", " a&lt;b<br>"]


def test_list_of_projects():
    page = ProjectList(("a", "b"))
    assert json.loads(page.to_json())["projects"] == [{"name": "a"}, {"name": "b"}]
    assert b'<a href="b/">b</a>' in page.to_html()


def test_an_empty_yank_is_still_a_yank():
    assert FileRow("f", "u", "0" * 64, 1, yanked="").plain()["yanked"] is True
