"""Parse after serialise is identity, and the canonical form is one."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from sekisho.allowlist import add_approvals, parse_tree, sign_approval
from sekisho.model import canonical_json
from sekisho.policy import open_snapshot, parse_policy
from sekisho.policy.sealing import seal_snapshot
from tests.property.strategies import POLICIES, REQUESTS, STATEMENTS, approvals, artifacts, closures, facts_of
from tests.records import SIGNER, TRUST, policy, snapshot

RECORDS = st.one_of(
    artifacts(),
    artifacts().flatmap(facts_of),
    closures(),
    approvals(),
    REQUESTS,
    STATEMENTS,
    POLICIES.map(lambda rules: policy(*rules)),
)


def _shuffled(value, order):
    """Return the same JSON value with the keys of its objects in another order."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: _shuffled(value[key], order) for key in keys}
    if isinstance(value, list):
        return [_shuffled(item, order) for item in value]
    return value


@given(RECORDS)
def test_a_record_is_what_its_canonical_form_parses_to(record):
    again = type(record).parse_json(record.canonical(), where="x")
    assert again == record
    assert again.canonical() == record.canonical()
    assert again.digest() == record.digest()


@given(RECORDS)
def test_a_record_is_what_its_plain_values_parse_to(record):
    assert type(record).parse(record.plain(), where="x") == record


@given(RECORDS, st.integers())
def test_the_order_in_which_keys_were_written_changes_no_digest(record, seed):
    text = json.dumps(_shuffled(record.plain(), random.Random(seed)), indent=3)
    assert type(record).parse_json(text, where="x").digest() == record.digest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_canonical_json_reads_back_and_is_its_own_canonical_form(value):
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


@given(JSON, JSON)
def test_values_that_differ_have_forms_that_differ(one, other):
    assert (canonical_json(one) == canonical_json(other)) is (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@given(st.lists(artifacts().flatmap(lambda one: approvals(of=st.just([one]))), max_size=4))
def test_approvals_come_back_from_the_tree_as_they_went_in(found):
    entries = [sign_approval(one, SIGNER) for one in found]
    files = add_approvals({}, entries)
    read = parse_tree(files, trust=TRUST)
    assert read.refused == ()
    assert sorted(entry.approval.digest() for entry in read.approvals) == sorted({one.digest() for one in found})
    assert add_approvals(files, entries) == {}


@given(st.lists(approvals(), max_size=3), POLICIES)
def test_a_snapshot_opens_to_what_was_sealed(found, rules):
    made = snapshot(*(sign_approval(one, SIGNER) for one in found), rules=rules)
    assert open_snapshot(seal_snapshot(made, SIGNER), TRUST) == made


@given(POLICIES)
def test_a_policy_reads_back_from_its_own_json_as_yaml(rules):
    made = policy(*rules)
    assert parse_policy(json.dumps(made.plain())) == made
