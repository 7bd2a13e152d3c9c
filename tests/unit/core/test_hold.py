"""An engine's answer is held to what is approved, and to a lock, package by package."""

import pytest

from sekisho.errors import RefusedError
from sekisho.lock import Answer, Pinned, ToLock, bind, check_same, hold, make_lock, to_pin
from sekisho.model import conda_artifact
from tests.records import NOW, TARGET, approval, artifact, sha

SIX = artifact("six", "1.17.0")
NEAR = artifact("numpy", filename="numpy-2.1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
PURE = artifact("numpy", filename="numpy-2.1.0-py3-none-any.whl")
FAR = artifact("numpy", filename="numpy-2.1.0-cp312-cp312-win_amd64.whl")


def package(name, version="1.0", **more):
    filename = f"{name}-{version}-h1_0.conda"
    record = {"name": name, "version": version, "build": "h1_0", "sha256": sha(filename), "size": 1} | more
    return conda_artifact("forge", filename, record, subdir="linux-64")


PYTHON, ZLIB = package("python", "3.11.2", depends=["zlib >=1", "__glibc >=2.17"]), package("zlib")
ALL = (SIX, NEAR, PURE, FAR, PYTHON, ZLIB)
ASKED = ToLock(target=TARGET, requirements=("numpy", "six"), conda=("python",))


def admitted(kind, project):
    return [one for one in ALL if (one.kind, one.project) == (kind, project)]


def pinned(of, *hashes):
    return Pinned(kind=of.kind, project=of.project, release=of.release, hashes=hashes or (of.sha256,))


def answer(*packages):
    return Answer(resolver="tool 1", packages=packages)


def locked(*packages):
    closure = hold(ASKED, answer(*packages), admitted)
    return make_lock("mine", closure, [approval(*ALL)], workspace="everyone", now=NOW)


def test_of_several_files_that_an_answer_names_the_targets_best_is_taken():
    every = pinned(NEAR, FAR.sha256, PURE.sha256, NEAR.sha256)
    closure = hold(ASKED, answer(every, pinned(SIX), pinned(PYTHON), pinned(ZLIB)), admitted)
    assert closure.artifacts == (NEAR, SIX, PYTHON, ZLIB)
    assert (closure.direct, closure.conda, closure.resolver) == (("numpy", "six"), ("python",), "tool 1")
    assert [(edge.project, edge.needs) for edge in closure.edges] == [("conda:python", "conda:zlib")]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (pinned(SIX, sha("other")), "six 1.17.0"),
        (Pinned(project="six", release="1.16.0", hashes=(SIX.sha256,)), "six 1.16.0"),
        (Pinned(project="evil", release="1", hashes=(sha("evil"),)), "evil 1"),
        (Pinned(kind="conda", project="six", release="1.17.0", hashes=(SIX.sha256,)), "conda:six 1.17.0"),
        (pinned(ZLIB, sha("other")), "conda:zlib 1.0"),
        (pinned(FAR), r"numpy 2\.1\.0 \(has no wheel for the target\)"),
    ],
)
def test_what_is_not_admitted_with_these_hashes_is_named(wrong, named):
    with pytest.raises(RefusedError, match=f"1 packages .*: {named}\n") as caught:
        hold(ASKED, answer(pinned(PYTHON), wrong), admitted)
    assert "sekisho request" in caught.value.todo


def test_of_many_only_the_first_are_named():
    many = [Pinned(project=f"p{number}", release="1", hashes=(sha("x"),)) for number in range(25)]
    with pytest.raises(RefusedError, match=r"25 packages .*p9 1 and 15 more"):
        hold(ASKED, answer(*many), admitted)


def test_the_same_answer_is_the_same():
    lock = locked(pinned(NEAR), pinned(SIX), pinned(PYTHON), pinned(ZLIB))
    check_same(lock, answer(pinned(NEAR, PURE.sha256, NEAR.sha256), pinned(SIX), pinned(PYTHON), pinned(ZLIB)))
    asked = to_pin(lock)
    assert asked.requirements == ("numpy==2.1.0", "six==1.17.0")
    assert asked.conda == ("forge::python==3.11.2=h1_0", "forge::zlib==1.0=h1_0")
    assert asked.channels == ("forge",)


@pytest.mark.parametrize(
    ("packages", "difference"),
    [
        ((pinned(SIX),), "conda:zlib is missing"),
        ((pinned(SIX), pinned(ZLIB), pinned(PYTHON)), r"conda:python 3\.11\.2 is not approved for it"),
        ((pinned(SIX), pinned(package("zlib", "1.1"))), r"conda:zlib 1\.1 in place of 1\.0"),
        ((pinned(SIX), pinned(ZLIB, sha("x"))), r"conda:zlib 1\.0 has other bytes than those that were approved"),
    ],
)
def test_every_difference_from_a_lock_is_refused_and_named(packages, difference):
    with pytest.raises(RefusedError, match=difference):
        check_same(locked(pinned(SIX), pinned(ZLIB)), answer(*packages))


def test_hashes_that_are_asked_for_bind_an_answer():
    both = pinned(SIX, SIX.sha256, sha("other"))
    (bound, conda) = bind(answer(both, pinned(ZLIB)), {"six": (SIX.sha256,), "zlib": (sha("x"),)}).packages
    assert (bound.hashes, conda.hashes) == ((SIX.sha256,), (ZLIB.sha256,))
    with pytest.raises(RefusedError, match=r"hashes that are asked for: six 1\.17\.0"):
        bind(answer(both), {"six": (sha("x"),)})
