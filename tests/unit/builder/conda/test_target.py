"""What a target has that no channel does, and how a long reason is said shortly."""

import pytest

from sekisho.model import Target
from sekisho_builder.conda.said import shortened
from sekisho_builder.conda.virtual import virtual_packages
from tests.records import TARGET
from tests.unit.builder.room import definition


def virtual(target=TARGET, **more):
    found = definition(**more) if more else None
    return {name: (version, build) for name, version, build in virtual_packages(target, found)}


def test_virtual_packages_are_the_targets_and_never_this_machines():
    assert virtual() == {
        "__unix": ("0", "0"),
        "__linux": ("5.10", "0"),
        "__glibc": ("2.36", "0"),
        "__archspec": ("1", "x86_64"),
    }
    other = virtual(Target(python="3.12.1", arch="aarch64", glibc="2.28"))
    assert (other["__glibc"][0], other["__archspec"][1]) == ("2.28", "aarch64")


@pytest.mark.parametrize(
    ("driver", "cuda"),
    [("580.65.06", "13.0"), ("570.1", "12.0"), ("525.60.13", "12.0"), ("525.60.12", "11.0"), ("440.1", None)],
)
def test_cuda_is_there_where_an_image_states_a_driver_that_runs_it(driver, cuda):
    assert virtual(driver=driver).get("__cuda", (None,))[0] == cuda


def test_a_long_reason_is_cut_to_what_somebody_reads():
    versions = " | ".join(f"1.{number}" for number in range(30))
    tree = "\n".join(f"   ├─ a {number} would require" for number in range(40))
    where = "'http://127.0.0.1:8471/candidates/conda/forge/'"
    said = shortened(
        "Cannot solve the request because of: The following packages are incompatible\n"
        f"└─ a {versions} can be installed, not using this option from: {where}\n{tree}\n"
    )
    lines = said.splitlines()
    assert lines[0] == "nothing satisfies what was asked for:"
    assert lines[1] == "└─ a 1.0 … 1.29 (30 versions) can be installed, not using this option from: forge"
    assert lines[-1] == "… and 27 lines more"
    assert len(lines) == 16
