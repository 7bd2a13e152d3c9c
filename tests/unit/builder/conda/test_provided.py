"""What conda packages hold counts as installed: by what is in them, never twice, and on their Python."""

import pytest

from sekisho.errors import UnresolvableError
from sekisho.model import Facts, Request
from sekisho.model.facts import Contained
from sekisho_builder.conda.provided import beside, check_asked_once, provided, unmapped
from tests.records import NOW, TARGET
from tests.unit.builder.conda.mount import package

TORCH = package("pytorch", "2.1.0", "python", subdir="linux-64").artifact()
ZONES = package("tzdata", "2024a").artifact()
PYTHON = package("python", "3.11.8", subdir="linux-64").artifact()
FACTS = [
    Facts(sha256=TORCH.sha256, size=1, contains=(Contained(project="torch", release="2.1.0+cpu"),)),
    Facts(sha256=ZONES.sha256, size=1, contains=(Contained(project="zones", release="2024-a.b"),)),
    Facts(sha256=PYTHON.sha256, size=1),
]


def asked(*requirements):
    return Request(requester="rita", requirements=requirements, conda=("pytorch",), target=TARGET, at=NOW)


def test_a_project_is_held_by_what_is_in_a_package_not_by_its_name():
    found = provided((TORCH, ZONES, PYTHON), FACTS)
    assert {project: (held.release, held.by.node) for project, held in found.items()} == {
        "torch": ("2.1.0+cpu", "conda:pytorch")
    }
    assert unmapped(FACTS) == ["zones 2024-a.b"]


def test_the_rest_is_resolved_on_the_python_of_the_conda_packages():
    assert beside(asked("six"), (TORCH, PYTHON)).target.python == "3.11.8"
    assert beside(asked("six"), (TORCH,)).target == TARGET
    assert beside(asked("six"), (PYTHON,)).conda == ()


def test_what_is_asked_for_of_an_index_and_there_already_is_refused():
    held = provided((TORCH,), FACTS)
    check_asked_once(asked("six"), held)
    with pytest.raises(UnresolvableError, match=r"torch is asked for of an index, and conda:pytorch 2.1.0 has it"):
        check_asked_once(asked("six", "Torch==2.1"), held)
