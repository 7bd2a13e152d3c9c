from datetime import timedelta

import pytest

from sekisho.errors import BadInputError, RefusedError
from sekisho.lock import lock_digest, make_lock, pins, to_requirements
from tests.records import NOW, TARGET, approval, artifact, closure, sha

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
CLOSURE = closure(SIX, NUMPY, direct=("six", "numpy>=2"))


def _lock(*approvals, workspace="everyone", now=NOW, of=CLOSURE):
    return make_lock("sklearn", of, approvals, workspace=workspace, now=now)


def test_an_approved_closure_becomes_a_lock():
    lock = _lock(approval(NUMPY), approval(SIX, id="a2"))
    assert lock.artifacts == (NUMPY, SIX)
    assert (lock.closure, lock.target, lock.direct) == (CLOSURE.digest(), TARGET, ("six", "numpy>=2"))
    assert lock.approvals == ("a1", "a2")


def test_what_has_no_approval_is_named():
    with pytest.raises(RefusedError, match=r"1 artifacts have no approval in force: six 1\.17\.0") as caught:
        _lock(approval(NUMPY))
    assert "sekisho request" in caught.value.todo


def test_an_approval_of_other_bytes_of_the_same_release_does_not_count():
    with pytest.raises(RefusedError, match="six"):
        _lock(approval(NUMPY), approval(artifact("six", "1.17.0", sha256=sha("other"))))


def test_an_approval_for_another_workspace_does_not_count():
    with pytest.raises(RefusedError, match="2 artifacts"):
        _lock(approval(NUMPY, SIX, scope=("team-a",)))


def test_an_approval_that_has_expired_does_not_count():
    ending = approval(NUMPY, SIX, expires=NOW)
    assert _lock(ending, now=NOW - timedelta(seconds=1)).approvals == ("a1",)
    with pytest.raises(RefusedError):
        _lock(ending)


def test_a_later_approval_of_the_same_files_changes_no_lock():
    first, later = approval(NUMPY, SIX), approval(NUMPY, SIX, id="a0", at=NOW + timedelta(days=1))
    assert _lock(first) == _lock(first, later) == _lock(later, first)


def test_a_lock_reads_back_as_pins():
    lock = _lock(approval(NUMPY, SIX))
    assert pins(to_requirements(lock), where="requirements.lock") == {
        "numpy": ("2.1.0", NUMPY.sha256),
        "six": ("1.17.0", SIX.sha256),
    }


def test_a_lock_file_names_target_and_requirements_and_no_address():
    text = to_requirements(_lock(approval(NUMPY, SIX)))
    assert "# target: Python 3.11.2, linux x86_64, glibc 2.36" in text
    assert "# requirements: six, numpy>=2" in text
    assert "//" not in text


def test_the_digest_of_a_lock_depends_on_what_is_locked_and_not_on_who_approved():
    digest = lock_digest(_lock(approval(NUMPY, SIX)))
    assert lock_digest(_lock(approval(NUMPY, SIX, id="a9", approved_by="otto", at=NOW - timedelta(days=1)))) == digest
    other = artifact("six", "1.16.0")
    assert lock_digest(_lock(approval(NUMPY, other), of=closure(other, NUMPY, direct=CLOSURE.direct))) != digest


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("numpy==1 \\\n", 1),
        ("numpy==1\n    --hash=sha256:" + "a" * 64, 1),
        ("numpy>=1 \\\n    --hash=sha256:" + "a" * 64, 1),
        ("numpy==1 \\\n    --hash=md5:" + "a" * 32, 1),
        ("numpy==1 \\\n    --hash=sha256:" + "a" * 63, 1),
        ("numpy==1 \\\n    --hash=sha256:" + "a" * 64 + " --hash=sha256:" + "b" * 64, 1),
        ("\n# note\n--index-url http://evil.invalid/ \\\n    --hash=sha256:" + "a" * 64, 3),
        (f"six==1 \\\n    --hash=sha256:{'a' * 64}\nsix==2 \\\n    --hash=sha256:{'b' * 64}", 3),
    ],
)
def test_a_line_that_is_no_pin_is_refused_with_its_number(text, line):
    with pytest.raises(BadInputError) as caught:
        pins(text, where="requirements.lock")
    assert caught.value.where == f"requirements.lock, line {line}"
