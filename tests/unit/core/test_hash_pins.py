import pytest

from sekisho.errors import BadInputError
from sekisho.lock import hash_pins, make_lock, to_requirements
from tests.records import NOW, approval, artifact, closure, sha

ONE, TWO = sha("one"), sha("two")


def test_our_own_lock_is_read():
    of = artifact()
    lock = make_lock("tool", closure(of), [approval(of)], workspace="everyone", now=NOW)
    (pin,) = hash_pins(to_requirements(lock), where="lock")
    assert (str(pin), pin.hashes) == ("numpy==2.1.0", (of.sha256,))


def test_what_pip_compile_writes_is_read():
    text = f"""\
#
# This file was made
--index-url http://127.0.0.1:9/simple/

Foo.Bar[extra]==1.0 ; python_version >= "3.8" \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
    # via baz
six==1.17.0 --hash=sha256:{ONE}  # why
"""
    first, second = hash_pins(text, where="requirements.txt")
    assert (str(first), first.hashes) == ("foo-bar==1.0", (ONE, TWO))
    assert str(second) == "six==1.17.0"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("six", "not pinned"),
        ("six==1.0", "not pinned"),
        (f"six>=1 --hash=sha256:{ONE}", "not pinned"),
        (f"six==1.* --hash=sha256:{ONE}", "not pinned"),
        (f"six @ http://elsewhere.invalid/six.whl --hash=sha256:{ONE}", "not pinned"),
        ("six==1 --hash=sha256:abc", "hashes"),
        ("-r other.txt", "another file"),
        ("# nothing\n", "nothing in it"),
        ("!\x1b[2J==1 --hash=sha256:" + ONE, "not a requirement"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_line(text, why):
    with pytest.raises(BadInputError, match=why):
        hash_pins(text, where="lock")
