from datetime import timedelta

import pytest

from sekisho.errors import UnresolvableError
from sekisho.model.tags import wheel_tags
from sekisho_builder.best_wheel import best_wheel
from sekisho_builder.solver import Pin
from tests.records import NOW, TARGET, artifact, request

RANKS = {tag: rank for rank, tag in enumerate(wheel_tags(TARGET))}
PIN = Pin("foo", "1.0", ("bar",))
PURE = "foo-1.0-py3-none-any.whl"
NATIVE = "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def _best(*filenames, **more):
    files = [artifact("foo", "1.0", filename=name) for name in filenames]
    return best_wheel(PIN, files, RANKS, request(**more)).filename


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (NATIVE, PURE),
        (NATIVE, "foo-1.0-cp37-abi3-manylinux_2_17_x86_64.whl"),
        ("foo-1.0-cp39-abi3-manylinux_2_17_x86_64.whl", "foo-1.0-cp37-abi3-manylinux_2_17_x86_64.whl"),
        ("foo-1.0-cp37-abi3-manylinux_2_17_x86_64.whl", PURE),
        ("foo-1.0-cp311-cp311-manylinux_2_36_x86_64.whl", NATIVE),
        ("foo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "foo-1.0-cp311-cp311-manylinux1_x86_64.whl"),
        (NATIVE, "foo-1.0-cp311-cp311-manylinux_2_37_x86_64.whl"),
        (NATIVE, "foo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"),
        (NATIVE, "foo-1.0-cp311-cp311-musllinux_1_2_x86_64.whl"),
        (NATIVE, "foo-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"),
        (NATIVE, "foo-1.0-cp311-cp311-win_amd64.whl"),
        ("foo-1.0-2-py3-none-any.whl", "foo-1.0-1-py3-none-any.whl"),
        ("foo-1.0-10-py3-none-any.whl", "foo-1.0-9-py3-none-any.whl"),
        ("foo-1.0-1b-py3-none-any.whl", "foo-1.0-1a-py3-none-any.whl"),
        ("foo-1.0-0-py3-none-any.whl", PURE),
        (NATIVE, "foo-1.0-99-py3-none-any.whl"),
        ("foo-1.0-py2.py3-none-any.whl", "foo-1.0.tar.gz"),
        (PURE, "foo-1.0.zip"),
        (PURE, "not-a-wheel-name.whl"),
    ],
)
def test_the_better_wheel_is_taken_in_whatever_order_they_come(better, worse):
    assert _best(better, worse) == _best(worse, better) == better


def test_what_was_uploaded_after_the_cut_off_does_not_exist():
    late = artifact("foo", "1.0", filename=NATIVE, uploaded=NOW)
    early = artifact("foo", "1.0", filename=PURE, uploaded=NOW - timedelta(seconds=1))
    undated = artifact("foo", "1.0", filename="foo-1.0-cp311-none-any.whl", uploaded=None)
    files = [late, early, undated]
    assert best_wheel(PIN, files, RANKS, request(resolve_before=NOW)) == early
    assert best_wheel(PIN, files, RANKS, request()) == late


@pytest.mark.parametrize("filenames", [(), ("foo-1.0.tar.gz",), ("foo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",)])
def test_without_a_wheel_that_fits_the_release_its_target_and_who_needs_it_are_named(filenames):
    with pytest.raises(UnresolvableError, match=r"foo 1\.0 has no wheel for Python 3\.11\.2") as caught:
        _best(*filenames)
    assert caught.value.where == "needed by bar"


def test_a_missing_wheel_of_a_direct_requirement_is_said_to_be_the_requests():
    with pytest.raises(UnresolvableError) as caught:
        best_wheel(Pin("foo", "1.0", ()), [], RANKS, request())
    assert caught.value.where == "needed by the request"
