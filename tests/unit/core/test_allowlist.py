import pytest

from sekisho.allowlist import add_approvals, dump_yaml, load_yaml, parse_project_file, parse_tree
from sekisho.errors import BadInputError
from sekisho.sources import parse_sources
from tests.records import TRUST, artifact, signed

SIX = artifact("six", "1.17.0")


def test_what_is_added_to_the_tree_is_read_back():
    entry = signed(artifact(), reason='für 関所: "quoted" # not a comment', id="a7")
    files = add_approvals({}, [entry])
    assert list(files) == ["pypi/numpy.yaml"]
    assert parse_tree(files, trust=TRUST).approvals == (entry,)


def test_a_project_file_is_for_people_to_read():
    text = add_approvals({}, [signed(artifact())])["pypi/numpy.yaml"]
    assert text.startswith("project: numpy\napprovals:\n- id: a1\n")
    assert "approved_by: anna" in text
    assert "sha256: " in text


def test_a_second_approval_is_added_below_the_first():
    first, second = signed(artifact()), signed(artifact(release="2.2.0"), id="a2")
    files = add_approvals({}, [first])
    files |= add_approvals(files, [second])
    assert parse_tree(files, trust=TRUST).approvals == (first, second)


def test_two_approvals_of_one_project_at_once_are_both_kept():
    entries = [signed(artifact()), signed(artifact(release="2.2.0"), id="a2")]
    assert parse_tree(add_approvals({}, entries), trust=TRUST).approvals == tuple(entries)


def test_adding_an_approval_again_changes_nothing():
    entries = [signed(artifact()), signed(SIX)]
    files = add_approvals({}, entries)
    assert add_approvals(files, entries) == {}


def test_a_hand_written_entry_with_the_same_id_does_not_keep_the_real_one_out():
    entry = signed(artifact())
    forged = dump_yaml({"project": "numpy", "approvals": [{"id": entry.approval.id}]})
    files = {"pypi/numpy.yaml": forged}
    files |= add_approvals(files, [entry])
    assert parse_tree(files, trust=TRUST).approvals == (entry,)


def test_files_beside_the_three_kinds_are_not_read():
    files = add_approvals({}, [signed(artifact())])
    assert len(parse_tree({**files, "README.yaml": "{", "pypi/notes.txt": "{"}, trust=TRUST).approvals) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pypi/numpy.yaml", "project: six\napprovals: []\n"),
        ("pypi/Numpy.yaml", "project: Numpy\napprovals: []\n"),
        ("npm/numpy.yaml", "project: numpy\napprovals: []\n"),
        ("pypi/deep/numpy.yaml", "project: numpy\napprovals: []\n"),
        ("pypi/numpy.yaml", "project: numpy\napprovals: {id: a1}\n"),
        ("pypi/numpy.yaml", "project: numpy\nallowed: true\n"),
        ("pypi/numpy.yaml", "approvals: []\n"),
        ("pypi/numpy.yaml", "- numpy\n"),
        ("pypi/numpy.yaml", ""),
        ("huggingface/../x.yaml", "project: ../x\napprovals: []\n"),
    ],
)
def test_a_file_of_another_form_is_bad_input_that_names_it(path, text):
    with pytest.raises(BadInputError) as caught:
        parse_project_file(text, path=path, trust=TRUST)
    assert path in (caught.value.where, "huggingface/../x.yaml")


def test_a_project_without_approvals_admits_nothing():
    found = parse_project_file("project: numpy\napprovals:\n", path="pypi/numpy.yaml", trust=TRUST)
    assert (found.approvals, found.refused) == ((), ())


def test_malformed_yaml_names_file_and_line():
    with pytest.raises(BadInputError) as caught:
        load_yaml("project: numpy\napprovals:\n  - id: [\n", where="pypi/numpy.yaml")
    assert caught.value.where == "pypi/numpy.yaml, line 4"


@pytest.mark.parametrize(
    "text",
    [
        "a: 2026-13-45T00:00:00Z",
        "a: !!int x",
        "a: !!float x",
        "a: !!bool x",
        "a: !!timestamp x",
        "a: \x00",
        "a: !!python/name:os.system",
        "*a",
    ],
)
def test_yaml_that_cannot_be_built_is_bad_input(text):
    with pytest.raises(BadInputError) as caught:
        load_yaml(text, where="policy.yaml")
    assert "policy.yaml" in caught.value.where


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sources: []", "sources"),
        ("sources: [{id: a, preset: pypi}, {id: a, preset: pypi}]", "listed twice"),
        ("sources: [{id: a}]", "either a preset or a url"),
        ("sources: [{id: a, preset: pypi, url: 'http://x/'}]", "either a preset or a url"),
        ("sources: [{id: a, url: 'file:///etc/passwd'}]", "url"),
        ("sources: [{id: a, url: 'http://x/', verify: false}]", "verify"),
        ("sources: [{id: 'a/b', preset: pypi}]", "id"),
        ("sources: [{id: a, preset: other}]", "preset"),
        ("sources: [{id: a, url: 'https://me:secret@x/'}]", "holds a login"),
        ("sources: [{id: a, url: 'http://x/', owns: ['*-acme']}]", "neither a name nor the beginning"),
        ("sources: [{id: a, url: 'http://x/', owns: ['ac*me']}]", "neither a name nor the beginning"),
        ("sources: [{id: a, url: 'http://x/', owns: ['-*']}]", "neither a name nor the beginning"),
        ("sources: [{id: a, url: 'http://x/', owns: ['\uff41cme-*']}]", "neither a name nor the beginning"),
        ("sources: [{id: a, url: 'http://x/', owns: [acme-*]}, {id: b, preset: pypi, owns: [Acme.*]}]", "both own"),
        ("sources: [{id: a, url: 'http://x/', owns: [a_b]}, {id: b, preset: pypi, owns: [A-B]}]", "both own"),
        ("sources: [{id: a, url: 'http://x/', serves: owned}]", "owns nothing"),
        ("sources: [{id: a, url: 'http://x/', serves: all}]", "serves"),
    ],
)
def test_sources_that_do_not_hold_together_are_refused(text, why):
    with pytest.raises(BadInputError, match=why) as caught:
        parse_sources(text)
    assert caught.value.where == "sources.yaml"


def test_sources_keep_their_order():
    text = "sources: [{id: b, preset: pypi}, {id: a, url: 'https://packages.invalid/simple/', file-hosts: [files.invalid]}]"
    found = parse_sources(text).sources
    assert [source.id for source in found] == ["b", "a"]
    assert found[1].file_hosts == ("files.invalid",)
