"""The target's own order of tags, compared with what an installer on this machine computes for itself."""

import platform
import sys

import pytest
from packaging import tags

from sekisho.model import Target
from sekisho.model.tags import platforms, wheel_tags

LIBRARY, GLIBC = platform.libc_ver()
HERE = pytest.mark.skipif(
    LIBRARY != "glibc" or platform.machine() not in {"x86_64", "aarch64"} or sys.implementation.name != "cpython",
    reason="needs CPython on glibc, on x86_64 or aarch64",
)


def _here():
    return Target(python=platform.python_version(), arch=platform.machine(), glibc=GLIBC)


@HERE
def test_platforms_are_in_the_order_of_an_installer_on_this_machine():
    assert platforms(_here()) == list(tags.platform_tags())


@HERE
def test_tags_are_in_the_order_of_an_installer_on_this_machine():
    assert wheel_tags(_here()) == list(tags.sys_tags())


def test_an_older_glibc_accepts_fewer_platforms():
    old, new = (platforms(Target(python="3.11.2", glibc=glibc)) for glibc in ("2.17", "2.28"))
    assert set(old) < set(new)
    assert old[:4] == ["linux_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_16_x86_64"]
    assert old[-2:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64"]


def test_another_architecture_has_its_own_platforms():
    found = platforms(Target(python="3.11.2", arch="aarch64", glibc="2.18"))
    assert found == ["linux_aarch64", "manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"]


def test_a_target_accepts_the_stable_abi_of_older_pythons_and_pure_wheels_and_nothing_newer():
    found = {str(tag) for tag in wheel_tags(Target(python="3.11.2", glibc="2.36"))}
    assert {"cp311-cp311-manylinux_2_36_x86_64", "cp37-abi3-manylinux2014_x86_64", "cp311-none-any"} <= found
    assert {"py3-none-any", "py311-none-manylinux_2_17_x86_64"} <= found
    assert not [tag for tag in found if tag.startswith(("cp312", "py312", "pp", "cp310-cp310")) or "musllinux" in tag]
