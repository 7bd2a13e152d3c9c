import json
import subprocess

import pytest

from sekisho.lock import make_lock, to_requirements
from sekisho.model import Target
from tests.command_line import run
from tests.records import NOW, TARGET, approval, artifact, closure

DEFINITION = """
name: sklearn
base: {debian: bookworm}
target: {python: 3.11.2, glibc: "2.36"}
requirements: [numpy, six]
"""
ARTIFACTS = (artifact(), artifact("six", "1.17.0"))


def _lock(direct=("numpy", "six"), target=TARGET):
    made = closure(*ARTIFACTS, direct=direct, target=target)
    return make_lock("sklearn", made, [approval(*ARTIFACTS)], workspace="everyone", now=NOW)


def _row(lock, image="sklearn"):
    request = {"requester": "rita", "requirements": ["numpy"], "image": image}
    return {"id": "r1", "state": "delivered", "request": request, "lock": lock.plain() if lock else None}


class House:
    def __init__(self, folder, url, portal):
        self.folder, self.url, self.portal = folder, url, portal
        self.path = folder / "images" / "sklearn" / "requirements.lock"
        self.path.parent.mkdir(parents=True)
        (self.path.parent / "image.yaml").write_text(DEFINITION)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "first")

    def git(self, *arguments):
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def lock(self, *arguments):
        images = str(self.folder / "images")
        return run("lock", "sklearn", *arguments, SEKISHO_PORTAL_URL=self.url, SEKISHO_IMAGES=images)

    def answer(self, *locks):
        rows = [_row(lock) for lock in locks]
        self.portal.answers |= {"/api/requests": rows, "/api/requests/r1": rows[0] if rows else {}}


@pytest.fixture
def house(tmp_path, portal, portal_url):
    return House(tmp_path, portal_url, portal)


def test_the_approved_lock_is_written_and_committed_beside_the_definition(house):
    house.answer(_lock())
    done = house.lock("--json")
    assert done.status == 0
    assert json.loads(done.out) == {"path": str(house.path), "packages": 2, "changed": True, "committed": True}
    assert house.path.read_text() == to_requirements(_lock())
    assert house.git("log", "-1", "--format=%s") == "Lock sklearn: 2 packages"


def test_locking_again_changes_nothing(house):
    house.answer(_lock())
    house.lock()
    before = house.git("rev-parse", "HEAD")
    done = house.lock()
    assert done.out.endswith("2 packages, unchanged\n")
    assert house.git("rev-parse", "HEAD") == before


def test_without_commit_the_file_is_only_written(house):
    house.answer(_lock())
    assert house.lock("--no-commit").out.endswith("2 packages, written\n")
    assert house.git("status", "--short") == "?? images/sklearn/requirements.lock"


def test_other_changes_that_a_person_has_staged_are_not_committed(house):
    (house.folder / "mine.txt").write_text("mine")
    house.git("add", "mine.txt")
    house.answer(_lock())
    house.lock()
    assert house.git("show", "--name-only", "--format=", "HEAD") == "images/sklearn/requirements.lock"
    assert house.git("status", "--short") == "A  mine.txt"


@pytest.mark.parametrize(
    "lock",
    [_lock(direct=("numpy",)), _lock(target=Target(python="3.11.2", glibc="2.28"))],
    ids=["requirements", "target"],
)
def test_a_definition_that_changed_since_the_request_is_a_conflict(house, lock):
    house.answer(lock)
    done = house.lock()
    assert done.status == 1
    assert "has changed since request r1" in done.err
    assert "sekisho request --image sklearn" in done.err
    assert not house.path.exists()


def test_without_an_approved_request_there_is_nothing_to_lock(house):
    house.portal.answers["/api/requests"] = [_row(None), _row(_lock(), image="torch")]
    done = house.lock()
    assert done.status == 1
    assert "has been approved and locked yet" in done.err


def test_without_a_git_repository_the_commit_is_a_failure_and_the_file_is_there(house):
    house.answer(_lock())
    (house.folder / ".git").rename(house.folder / "not-git")
    done = house.lock()
    assert done.status == 1
    assert "--no-commit" in done.err
    assert house.path.exists()
