from datetime import UTC, datetime, timedelta

import pytest

from sekisho.errors import BadInputError, ConflictError, NotFoundError
from sekisho.model.base import canonical_json, sha256_hex
from sekisho.policy import Door, SealedSnapshot, open_snapshot
from sekisho.policy.frozen import find, parse_address, present_address, same_content, succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho.signing import SNAPSHOT_TYPE, Signer, Trust
from sekisho.succession import seal
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
A, B = signed(NUMPY), signed(SIX, id="a2")
NO_NUMPY = {"id": "no-numpy", "check": "denied", "projects": ["numpy"]}
DAY = timedelta(days=1)
R = [f"{digit}{digit}abcde{'0' * 33}" for digit in "0123456789"]


def line(*contents, made=None):
    """Return snapshots that came into force one a day; each content is (approvals, rules)."""
    found = [None]
    for number, (approvals, rules) in enumerate(contents):
        at = made[number] if made else NOW + number * DAY
        found.append(succeed(found[-1], snapshot(*approvals, rules=rules, revision=R[number], made=at)))
    return found[1:]


def admitted(last, then):
    return Door(last, "everyone", then).hashes(last.made)


def test_the_first_snapshot_has_no_history():
    (first,) = line(([A], []))
    assert (first.sequence, first.history, first.since) == (1, (), ((1,),))
    assert first.admitted_since() == ((1,),)


def test_what_stays_keeps_its_number_and_what_comes_gets_the_new_one():
    *_, last = line(([A], []), ([A, B], []), ([B, A], []))
    assert last.since == ((2,), (1,))
    assert [(entry.revision, entry.sequence) for entry in last.history] == [(R[0], 1), (R[1], 2)]
    assert admitted(last, 1) == {NUMPY.sha256}
    assert admitted(last, 2) == admitted(last, 3) == {NUMPY.sha256, SIX.sha256}


def test_an_approval_that_went_and_came_back_starts_anew():
    *_, last = line(([A], []), ([], []), ([A], []))
    assert last.since == ((3,),)
    assert admitted(last, 1) == admitted(last, 2) == frozenset()


def test_a_denial_breaks_and_lifting_it_starts_anew():
    _, denied, lifted = line(([A], []), ([A], [NO_NUMPY]), ([A], []))
    assert denied.since == ((0,),)
    assert lifted.since == ((3,),)
    assert admitted(lifted, 1) == frozenset()


def test_what_the_very_first_snapshot_denied_starts_when_that_is_lifted():
    *_, last = line(([A], [NO_NUMPY]), ([A], []))
    assert last.since == ((2,),)


def test_an_approval_that_was_signed_again_goes_on():
    other = Signer.generate()
    *_, last = line(([A], []), ([signed(NUMPY, signer=other)], []))
    trust = Trust(*TRUST.keys.values(), other.trusted("new", "approval"))
    assert open_snapshot(seal_snapshot(last, SIGNER), trust).since == ((1,),)


@pytest.mark.parametrize("change", [{"scope": ("team-a",)}, {"expires": NOW + 9 * DAY}, {"reason": "another"}])
def test_an_approval_of_which_anything_differs_is_another_one(change):
    *_, last = line(([A], []), ([signed(NUMPY, **change)], []))
    assert last.since == ((2,),)


def test_two_approvals_of_one_id_and_file_each_go_on():
    team = signed(NUMPY, scope=("team-a",))
    *_, last = line(([A, team], []), ([A, team, B], []))
    assert last.since == ((1,), (1,), (2,))


def test_an_approval_that_expires_is_gone_from_every_view():
    end = NOW + 2 * DAY
    *_, last = line(([signed(NUMPY, expires=end)], []), ([], []), ([], []))
    assert admitted(last, 1) == frozenset()
    _, second = line(([signed(NUMPY, expires=end)], []), ([signed(NUMPY, expires=end), B], []))
    assert Door(second, "everyone", 1).hashes(end - timedelta(microseconds=1)) == {NUMPY.sha256}
    assert Door(second, "everyone", 1).hashes(end) == frozenset()


def test_a_clock_that_was_set_back_does_not_turn_history_round():
    *_, last = line(([A], []), ([B], []), ([A], []), made=[NOW, NOW - DAY, NOW - DAY])
    moments = [entry.made for entry in last.line()]
    assert moments == sorted(set(moments))
    assert open_snapshot(seal_snapshot(last, SIGNER), TRUST) == last


def test_content_is_compared_without_its_place_in_history():
    first, second = line(([A], []), ([A], []))
    assert same_content(second, snapshot(A, revision=R[1], made=NOW + DAY))
    assert not same_content(second, snapshot(B, revision=R[1]))
    assert not same_content(second, first)


def test_a_snapshot_kept_from_before_there_was_a_history_opens_and_goes_on():
    old = snapshot(A, sequence=17)
    assert "history" not in old.plain()
    assert "since" not in old.plain()
    opened = open_snapshot(seal_snapshot(old, SIGNER), TRUST)
    following = succeed(opened, snapshot(A, B, revision=R[1], made=NOW + DAY))
    assert (following.sequence, following.since) == (18, ((17,), (18,)))
    assert admitted(following, 17) == {NUMPY.sha256}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"since": [[1]]}, "one number for each artifact"),
        ({"since": [[1, 1], [2]]}, "one number for each artifact"),
        ({"since": [[1], []]}, "one number for each artifact"),
        ({"since": [[1], [3]]}, "no snapshot 3"),
        ({"since": [[-1], [2]]}, "greater than or equal to 0"),
        ({"since": [["1"], [2]]}, "valid integer"),
        ({"since": [[1.0], [2]]}, "valid integer"),
        ({"since": [[True], [2]]}, "valid integer"),
        ({"history": [[R[0], 2, "2026-10-01T00:00:00Z"]]}, "2 does not come after 2"),
        ({"history": [[R[0], 1, "2027-10-01T00:00:00Z"]]}, "2 does not come after 1"),
        ({"history": [[R[0], 1, "2026-10-01T00:00:00"]]}, "needs a zone"),
        ({"history": [[R[0], 1, "2026-10-01T00:00:00Z", 1]]}, "at most 3 items"),
        ({"history": [["", 1, "2026-10-01T00:00:00Z"]]}, "at least 1 character"),
        ({"history": [], "since": [[1], [2]]}, "no snapshot 1"),
    ],
)
def test_a_history_that_does_not_hold_together_is_refused(change, said):
    *_, last = line(([A], []), ([A, B], []))
    payload = {**last.plain(), **change}
    with pytest.raises(BadInputError, match=said):
        open_snapshot(_sealed(payload), TRUST)


def _sealed(payload):
    """Sign what may not hold together."""
    part = canonical_json({"approvals": payload.pop("approvals"), "since": payload.pop("since")})
    head = canonical_json({**payload, "parts": [sha256_hex(part)]})
    return SealedSnapshot(head=seal(SIGNER.envelope(SNAPSHOT_TYPE, head), ()), parts=(part.decode(),))


FIVE = line(*(([A], []),) * 5)
LAST = FIVE[-1]


@pytest.mark.parametrize(
    ("text", "sequence"),
    [
        (R[0], 1),
        (R[1][:7], 2),
        (R[4], 5),
        ("2026-11-01", 1),
        ("2026-11-02", 2),
        ("2026-11-04", 4),
        ("2026-11-02T11:59:59Z", 1),
        ("2026-11-02T11:59:59.999999Z", 1),
        ("2026-11-02T12:00:00Z", 2),
        ("2026-11-05T12:00:00Z", 5),
    ],
)
def test_an_address_names_a_snapshot(text, sequence):
    assert find(LAST, text, known=LAST.made) == sequence


@pytest.mark.parametrize(
    "text",
    ["", "123456", "1234567g", "ABCDEF0", "0" * 65, "2026-13-01", "2026-11-31", "20-11-24", "2026-11-24T12:00Z",
     "2026-11-24T12:00:00", "2026-11-24T12:00:00+01:00", "2026-11-24 12:00:00Z", "٢٠٢٦-11-24", "@2026-11-24",
     "2026-11-24\n", "../x", "latest"],
)  # fmt: skip
def test_anything_else_is_no_address(text):
    with pytest.raises(BadInputError, match="neither a revision nor a date"):
        parse_address(text)


def test_the_last_day_of_the_calendar_is_a_day():
    assert parse_address("9999-12-31") == datetime.max.replace(tzinfo=UTC)
    with pytest.raises(ConflictError):
        find(LAST, "9999-12-31", known=LAST.made)


def test_a_day_that_is_not_over_is_refused_with_what_names_the_present():
    with pytest.raises(ConflictError, match="not certain yet") as caught:
        find(LAST, "2026-11-05", known=LAST.made + timedelta(hours=11))
    assert caught.value.todo.endswith(f"@{R[4]}")
    assert find(LAST, "2026-11-05", known=LAST.made + timedelta(hours=12)) == 5


def test_before_the_first_snapshot_there_was_nothing():
    with pytest.raises(NotFoundError, match="the first is of 2026-11-01 12:00 UTC"):
        find(LAST, "2026-10-31", known=LAST.made)


def test_an_unknown_revision_says_where_to_find_one():
    with pytest.raises(NotFoundError, match="no policy of a revision") as caught:
        find(LAST, "fffffff", known=LAST.made)
    assert "/api/policy" in caught.value.todo
    assert R[4] in caught.value.todo


def test_an_ambiguous_revision_asks_for_more_digits():
    twins = [f"abcdef0{digit}" + "0" * 32 for digit in "12"]
    last = succeed(snapshot(revision=twins[0]), snapshot(revision=twins[1], made=NOW + DAY))
    with pytest.raises(NotFoundError, match="2 revisions begin with abcdef0") as caught:
        find(last, "abcdef0", known=last.made)
    assert caught.value.todo == "write more of its digits"
    assert find(last, "abcdef02", known=last.made) == 2


def test_a_commit_that_came_into_force_twice_is_named_by_its_first_time_and_the_present_by_its_moment():
    _, second = line(([A], []), ([B], []))
    third = succeed(second, snapshot(A, revision=R[0], made=NOW + 2 * DAY))
    assert find(third, R[0], known=third.made) == 1
    assert present_address(second) == R[1]
    assert find(third, present_address(third), known=third.made) == 3


def test_a_view_says_that_something_was_not_approved_then():
    *_, last = line(([B], []), ([A, B], []))
    rule, sentence = Door(last, "everyone", 1).why_not("pypi", "numpy", last.made)
    assert rule == "not-approved-then"
    assert f"was not approved at revision {R[0][:12]} of 2026-11-01" in sentence
    assert Door(last, "everyone", 1).why_not("pypi", "nothing", last.made)[0] == "not-approved"
    assert Door(last, "team-a", 1).why_not("pypi", "numpy", last.made)[0] == "not-approved"
