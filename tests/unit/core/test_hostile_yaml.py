"""Whoever can push to the tree can neither crash, nor exhaust, nor confuse its reader."""

import time

import pytest

from sekisho.allowlist import LARGEST_FILE, add_approvals, dump_yaml, is_allowed_name, load_yaml, parse_tree
from sekisho.errors import BadInputError
from sekisho.policy import parse_policy
from tests.records import TRUST, artifact, sha, signed

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
REFUSED = {
    "deep list": ("a: " + "[" * 30_000 + "]" * 30_000, "nested deeper"),
    "deep mapping": ("{a: " * 30_000, "nested deeper"),
    "deep blocks": ("- " * 30_000 + "x", "nested deeper"),
    "a megabyte of brackets": ("[" * 1_000_000, "nested deeper"),
    "deep key": ("? " * 30_000 + "x", "a key is not a string"),
    "bomb": (BOMB, "anchors and aliases"),
    "recursion": ("a: &a [*a]", "anchors and aliases"),
    "merge key": ("<<: {a: 1}\nb: 2\n", "a key is not a string"),
    "tag": ("a: !!python/object:os.system x", "tags are not allowed"),
    "plain tag": ("a: !!binary aGk=", "tags are not allowed"),
    "number as key": ("1: a", "a key is not a string"),
    "word as key": ("yes: a", "a key is not a string"),
    "time as key": ("2020-01-01: a", "a key is not a string"),
    "list as key": ("[a]: b", "a key is not a string"),
    "long number": ("a: " + "1:59" + ":59" * 300_000, "a number is too long"),
    "large": ("a: " + "x" * LARGEST_FILE, "larger than"),
    "surrogate": ("a: \ud800", "surrogates not allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_exhaust_or_confuse_is_refused_at_once(name):
    text, why = REFUSED[name]
    start = time.monotonic()
    with pytest.raises(BadInputError, match=why):
        load_yaml(text, where="pypi/x.yaml")
    assert time.monotonic() - start < 2


def test_a_key_that_stands_twice_is_named_with_its_line():
    with pytest.raises(BadInputError, match="'rules' stands twice") as caught:
        parse_policy("version: 1\nrules: [{id: strict, check: yanked}]\nrules: []\n")
    assert caught.value.where == "policy.yaml, line 3"


def test_the_same_key_in_two_mappings_is_no_repetition():
    assert load_yaml("a: {b: {c: 1}, c: 2}\nb: [{c: 1}, {c: 2}]\nc: []\n", where="x") == {
        "a": {"b": {"c": 1}, "c": 2},
        "b": [{"c": 1}, {"c": 2}],
        "c": [],
    }


def test_fifty_levels_are_read_and_one_more_is_not():
    assert load_yaml("[" * 50 + "]" * 50, where="x")
    with pytest.raises(BadInputError, match="nested deeper"):
        load_yaml("[" * 51 + "]" * 51, where="x")


def test_what_is_written_can_be_read_even_if_a_value_occurs_twice():
    shared = {"a": [1]}
    assert load_yaml(dump_yaml({"x": shared, "y": shared}), where="x") == {"x": shared, "y": shared}


def test_a_project_that_is_no_string_is_refused():
    with pytest.raises(BadInputError, match="not a string"):
        parse_tree({"pypi/1.yaml": "project: 1\n"}, trust=TRUST)


def test_of_countless_refused_entries_a_thousand_are_kept_and_the_rest_counted():
    text = "approvals:\n" + "- {a: b}\n" * 1500
    found = parse_tree({f"pypi/{name}.yaml": f"project: {name}\n{text}" for name in ("a", "b")}, trust=TRUST)
    assert len(found.refused) == 1001
    assert found.refused[-1].why == "and 1002 more entries admit nothing"


def test_a_reason_to_refuse_is_not_as_long_as_what_is_refused():
    row = "{signature: 1, " + ", ".join(f"k{n}: 1" for n in range(10_000)) + "}"
    (entry,) = parse_tree({"pypi/a.yaml": f"project: a\napprovals: [{row}]\n"}, trust=TRUST).refused
    assert len(entry.why) <= 500


@pytest.mark.parametrize(
    "name", ["pypi/a\nb.yaml", "pypi/ü.yaml", "pypi/../x.yaml", "/x.yaml", "pypi//x.yaml", "a b.yaml", "x.yml"]
)
def test_an_odd_name_is_not_allowed_and_what_it_holds_admits_nothing(name):
    assert not is_allowed_name(name)
    assert parse_tree({name: "x"}, trust=TRUST).refused[0].why == "the file's name is not allowed"


def test_what_is_no_plain_file_admits_nothing():
    assert parse_tree({"pypi/link.yaml": None}, trust=TRUST).refused[0].why == "it is not a plain file"


def test_a_foreign_row_with_the_same_id_or_signature_does_not_stand_for_an_approval():
    mine = signed(artifact())
    row = {**mine.approval.plain(), "signature": mine.signature.plain()}
    for foreign in (row | {"signature": {"keyid": "x", "sig": "AAAA"}}, row | {"scope": ["team-x"]}, {"id": "a1"}):
        files = {"pypi/numpy.yaml": dump_yaml({"project": "numpy", "approvals": [foreign]})}
        changed = add_approvals(files, [mine])
        assert parse_tree(changed, trust=TRUST).approvals == (mine,)
        assert add_approvals(files | changed, [mine]) == {}


def test_a_file_does_not_grow_until_nobody_can_read_it():
    many = [
        signed(artifact(release=f"{n}.0", sha256=sha(str(n)), index={"x": "y" * 400_000}), id=f"a{n}") for n in range(5)
    ]
    with pytest.raises(BadInputError, match="too large"):
        add_approvals({}, many)


@pytest.mark.parametrize("then", ["allow", "review"])
def test_a_denial_can_only_deny(then):
    with pytest.raises(BadInputError, match="then"):
        parse_policy(f"version: 1\nrules: [{{id: a, check: denied, then: {then}, projects: [evil]}}]\n")
