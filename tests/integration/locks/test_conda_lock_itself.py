"""What of conda-lock is replaced is still needed. When one of these fails, conda-lock has mended it: take ours out."""

import sys

import pytest

from sekisho.errors import SekishoError
from sekisho.lock import ToLock
from sekisho_builder.locking import conda_lock
from tests.integration.locks.conftest import MINOR, TARGET

FRESH = ToLock(target=TARGET, conda=(MINOR, "pip"), requirements=("fresh",), channels=("forge",))
ABOVE = ToLock(
    target=TARGET,
    conda=(MINOR, "tinylib", "pip"),
    requirements=("above",),
    channels=("forge",),
    names={"tinylib": ("tinylib",)},
)
BOTH = ABOVE.model_copy(update={"requirements": ("above", "fresh")})
TAGS_ONLY = "as_conda_lock.know_tags(sys.argv.pop(1))"
INSTALLED_ONLY = "sys.argv.pop(1); as_conda_lock.know_installed()"


def lock_with(only, asked, door):
    """Lock with one of the two things replaced alone."""
    code = f"import sys; from sekisho_builder.locking import as_conda_lock; {only}; as_conda_lock.conda_lock()"
    return conda_lock(asked, door, token=None, ca=None, program=(sys.executable, "-c", code))


def test_with_both_replaced_wheels_for_the_target_and_above_conda_packages_are_locked(door):
    found = {one.project for one in conda_lock(BOTH, door, token=None, ca=None).packages}
    assert {"above", "fresh", "tinylib"} <= found


def test_wheels_for_a_newer_c_library_are_found_only_by_our_tags(door):
    """Of glibc 2.36, which the target has, wheels for 2.34 can be had; conda-lock's own list ends at 2.28."""
    with pytest.raises(SekishoError, match="fresh"):
        lock_with(INSTALLED_ONLY, FRESH, door)


def test_what_conda_installs_is_wanted_of_the_index_without_ours(door):
    with pytest.raises(SekishoError, match="tinylib"):
        lock_with(TAGS_ONLY, ABOVE, door)
