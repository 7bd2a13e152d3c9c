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


TAGS_ONLY = "as_conda_lock.know_tags(sys.argv.pop(1))"
INSTALLED_ONLY = "sys.argv.pop(1); as_conda_lock.know_installed()"


def locked(asked, door, only):
    """Lock with one of the two things replaced alone."""
    code = f"import sys; from sekisho_builder.locking import as_conda_lock; {only}; as_conda_lock.conda_lock()"
    return {
        one.project
        for one in conda_lock(asked, door, token=None, ca=None, program=(sys.executable, "-c", code)).packages
    }


def test_wheels_for_a_newer_c_library_are_found_only_by_our_tags(door):
    """Of glibc 2.36, which the target has, wheels for 2.34 can be had; conda-lock's own list ends at 2.28."""
    assert "fresh" in locked(FRESH, door, TAGS_ONLY)
    with pytest.raises(SekishoError, match="fresh"):
        locked(FRESH, door, INSTALLED_ONLY)


def test_what_conda_installs_is_wanted_of_the_index_without_ours(door):
    assert "above" in locked(ABOVE, door, INSTALLED_ONLY)
    with pytest.raises(SekishoError, match="tinylib"):
        locked(ABOVE, door, TAGS_ONLY)
