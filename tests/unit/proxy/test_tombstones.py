"""Tombstones: what they say, and that no requirement on a release that exists ever chooses one."""

import json

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from pip._internal.index.collector import IndexContent, parse_links
from pip._internal.index.package_finder import LinkEvaluator
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.target_python import TargetPython

from sekisho.policy import Door
from sekisho_proxy.pages.tombstone import Refused, Why, explain, tombstones
from sekisho_proxy.pages.value import FileRow, ProjectPage
from tests.records import NOW, artifact, policy, signed, snapshot

ASK = "https://portal.example:8470"
REST = Why("not-approved", "this release is not approved for workspace everyone")
JSON = "application/vnd.pypi.simple.v1+json"
URL = "http://proxy.invalid/w/everyone/pypi/simple/my-thing/"
OPERATORS = ("==", "===", "!=", "<", "<=", ">", ">=", "~=")


def rows(rest=REST, releases=(), offered=(), **more):
    offered = {release: [f"my_thing-{release}-py3-none-any.whl"] for release in offered} | more.pop("files", {})
    whys = releases if isinstance(releases, dict) else dict.fromkeys(releases, REST)
    return tombstones(Refused("my-thing", ASK, rest, whys, offered=offered, **more))


def notes(found):
    """Return the words of the rows that pip sees, but for the one with the address."""
    seen = [row for row in found if row.url.endswith(".whl") and not row.requires_python]
    return [str(parse_wheel_filename(row.filename)[1].local) for row in seen]


def addresses(found):
    return [(str(parse_wheel_filename(row.filename)[1]), row.requires_python) for row in found if row.requires_python]


def for_uv(found):
    return {str(parse_wheel_filename(row.filename)[1]): row for row in found if not row.url.endswith(".whl")}


def test_a_name_that_is_wholly_refused_has_one_text_and_says_where_to_ask():
    found = rows(Why("no-evil", "the policy denies my-thing"), {"2.0": Why("no-evil", "x"), "1.0": Why("no-evil", "y")})
    assert notes(found) == ["refused.by.rule.no.evil.ask.at.portal.example.port.8470"]
    assert set(for_uv(found)) == {"2.0+refused", "1.0+refused"}
    assert {row.yanked for row in found} == {
        f"Sekisho refused my-thing: the policy denies my-thing (rule no-evil). Ask at {ASK}/requests/new?project=my-thing"
    }
    assert found[0].url.startswith("../../../denied/no-evil--ask-at-portal.example%3A8470/my_thing-9999%210%2B")
    assert for_uv(found)["1.0+refused"].url == "../../../denied/my-thing/1.0"


def test_pip_is_told_the_whole_address_in_words_that_many_pages_share():
    words = "9999!0+open.this.page.to.ask"
    link = f"==={ASK}/requests/new"
    assert addresses(rows()) == [(words, f"{link}?project=my-thing#||")]
    assert addresses(rows(offered=["2.0"])) == [(words, f"{link}#||")]
    assert not SpecifierSet(f"{link}#||").contains("3.11.2")
    assert addresses(rows(None, offered=["2.0"])) == []
    odd = Refused("my-thing", "https://portal.example/a;b", REST, {})
    assert addresses(tombstones(odd)) == []


def test_without_known_releases_every_range_still_meets_a_tombstone():
    versions = [parse_wheel_filename(row.filename)[1] for row in rows()]
    assert min(versions) < Version("0.0.1") < Version("2099.1") < max(versions)


def test_rules_that_refuse_some_releases_name_them():
    whys = {"3.0": REST, "1.2": Why("old", "x"), "1.1": Why("old", "x")}
    found = rows(releases=whys, offered=["2.0"], rules=("old", "other"))
    where = "ask.at.portal.example.port.8470"
    assert notes(found) == [
        f"1.1.and.1.2.refused.by.rule.old.{where}",
        f"some.releases.refused.by.rule.other.{where}",
        f"other.releases.refused.by.rule.not.approved.{where}",
    ]
    many = rows(releases={f"1.{n}": Why("old", "x") for n in range(9, -1, -1)}, offered=["2.0"])
    assert notes(many)[0] == f"10.releases.from.1.0.to.1.9.refused.by.rule.old.{where}"


def test_what_is_offered_for_certain_targets_only_is_named_with_them():
    near, far = (
        "my_thing-2.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "my_thing-2.0-cp312-abi3-win_amd64.whl",
    )
    found = rows(
        None, files={"2.0": [near, far], "1.0": ["my_thing-1.0-py2.py3-none-any.whl"], "0.9": ["my_thing-0.9.tar.gz"]}
    )
    assert notes(found) == [
        "2.0.approved.only.for.cp311.manylinux.2.17.x86.64.or.cp312.abi3.win.amd64.ask.at.portal.example.port.8470"
    ]
    assert for_uv(found)["2.0+other.target"].yanked == (
        "my-thing 2.0 is approved, but only for cp311 manylinux_2_17_x86_64, cp312 abi3 win_amd64."
        f" Ask at {ASK}/requests/new?project=my-thing"
    )
    assert len(found) == 3
    assert addresses(found) == [("9999!0+open.this.page.to.ask", f"==={ASK}/requests/new#||")]


def test_notes_are_few_and_short_whatever_the_rules_are():
    whys = {f"{n}.0": Why(f"r{'x' * 300}{n}", "x") for n in range(50, 0, -1)}
    found = rows(releases=whys, offered=["99.0"])
    assert len(notes(found)) == 8
    assert max(map(len, notes(found))) < 400
    assert notes(found)[-1].startswith("other.releases.refused.by.rule.not.approved")


def test_a_release_with_a_local_version_keeps_it():
    assert set(for_uv(rows(releases=["2.0+cu118"], offered=["2.0"]))) == {"2.0+cu118.refused"}


def test_reasons_of_releases_come_from_the_door():
    here, there = artifact(release="2.0"), artifact(release="1.0")
    rules = {"id": "old", "check": "denied", "projects": ["numpy<1"]}
    approvals = [
        signed(here, id="a"),
        signed(there, id="b", scope=("risk",)),
        signed(artifact(release="1.5"), id="c", expires=NOW),
    ]
    door = Door(snapshot(*approvals, policy=policy(rules)), "everyone")
    found = explain(door, "numpy", [here], ("3.0", "2.0", "1.5", "1.0", "0.9"), REST, ask=ASK, now=NOW)
    assert {release: why.rule for release, why in found.releases.items()} == {
        "3.0": "not-approved", "1.5": "expired", "1.0": "not-approved", "0.9": "old",
    }  # fmt: skip
    assert found.releases["1.0"].sentence == "this release is approved, but not for workspace everyone"
    assert found.rules == ("old",)
    assert found.rest is REST
    assert explain(door, "numpy", [here], ("2.0",), REST, ask=ASK, now=NOW).rest is None
    assert explain(door, "numpy", [here], (), REST, ask=ASK, now=NOW).rest is REST


def _page(offered, tombs):
    approved = tuple(
        FileRow(f"my_thing-{release}-py3-none-any.whl", f"../../files/my_thing-{release}-py3-none-any.whl", "0" * 64, 1)
        for release in offered
    )
    return ProjectPage("my-thing", tuple(offered), (*approved, *tombs)).to_json()


def _candidates(page):
    """Return pip's own candidates of a page."""
    evaluator = LinkEvaluator(
        project_name="my-thing", canonical_name="my-thing", formats=frozenset({"binary", "source"}),
        target_python=TargetPython(), allow_yanked=True,
    )  # fmt: skip
    content = IndexContent(page, JSON, "utf-8", URL, cache_link_parsing=False)
    for link in parse_links(content):
        result, detail = evaluator.evaluate_link(link)
        if result.name == "candidate":
            yield InstallationCandidate("my-thing", detail, link)


def _chosen(page, specifier):
    """Return what pip may choose: what is yanked only if all is, and a single version is pinned (PEP 592)."""
    found = [one for one in _candidates(page) if specifier.contains(one.version, prereleases=True)]
    pinned = any(one.operator in {"==", "==="} and not one.version.endswith(".*") for one in specifier)
    all_yanked = all(one.link.is_yanked for one in found)
    return {str(one.version) for one in found if not one.link.is_yanked or (all_yanked and pinned)}


releases = st.sets(
    st.builds(
        lambda parts, pre, local: ".".join(map(str, parts)) + pre + local,
        st.lists(st.integers(0, 3), min_size=1, max_size=3), st.sampled_from(["", "", "rc1", ".dev0", ".post1"]),
        st.sampled_from(["", "", "", "+cu1"]),
    ).map(lambda text: str(Version(text))), min_size=1, max_size=8,
)  # fmt: skip


@given(releases, st.data())
def test_no_requirement_on_what_exists_chooses_a_tombstone(known, data):
    """Of two releases that only a local version tells apart, uv takes ``==`` for either, as it did without."""
    offered = data.draw(st.sets(st.sampled_from(sorted(known))))
    missing = sorted(known - offered, key=Version, reverse=True)
    tombs = rows(releases=missing, offered=sorted(offered))
    plain, explained = _page(sorted(offered), ()), _page(sorted(offered), tombs)
    release = data.draw(st.sampled_from(sorted(known)))
    operator = data.draw(st.sampled_from(OPERATORS))
    public = release.partition("+")[0] if operator not in {"==", "!=", "==="} else release
    if operator == "~=" and "." not in public:
        public += ".0"
    specifier = SpecifierSet(f"{operator}{public}")
    assert _chosen(plain, specifier) == _chosen(explained, specifier)
    pins = {Version(one) for one in known}
    assert all(row.yanked for row in tombs)
    assert not pins & {parse_wheel_filename(row.filename)[1] for row in tombs}  # uv allows a yank by its exact version
    assert json.loads(explained)["versions"] == sorted(offered)
