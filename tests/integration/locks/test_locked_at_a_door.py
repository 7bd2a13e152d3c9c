"""Locks that people's own tools answer from a real door, and environments that come out of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.errors import BadInputError, RefusedError, UnresolvableError, UpstreamError
from sekisho.lock import (
    ToLock,
    check_same,
    hold,
    lock_digest,
    make_lock,
    read_conda_lock,
    to_pin,
    to_requirements,
    under_header,
    write_lock,
)
from sekisho_builder.locking import conda_lock, pip_tools, uv_compile
from tests.integration.locks.conftest import (
    CHAINS,
    DATA,
    GEARS,
    MINOR,
    NEWER,
    TARGET,
    approved_packages,
    approved_wheels,
    more_wheels,
)
from tests.integration.proxy.house import bare_environment
from tests.records import NOW, approval, sha

MIXED = ToLock(target=TARGET, conda=(MINOR, "tinylib", "pip"), requirements=("alpha",), channels=("forge",))
ALL = [*approved_packages(), *approved_wheels(), *more_wheels()]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def answer(door):
    """What conda-lock says of the mixed environment."""
    return conda_lock(MIXED, door, token=None, ca=None)


def admitted(kind, project):
    return [one for one in ALL if (one.kind, one.project) == (kind, project)]


def locked(asked, answer):
    closure = hold(asked, answer, admitted)
    return make_lock("mixed", closure, [approval(*ALL)], workspace="everyone", now=NOW)


def run(*command, folder):
    return subprocess.run(
        list(map(str, command)),
        env=bare_environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )


def test_conda_lock_locks_both_parts_and_what_comes_out_runs(door, answer, tmp_path):
    lock = locked(MIXED, answer)
    assert {one.node: one.release for one in lock.artifacts} == {
        "alpha": "2.0",
        "beta": "2.0",
        "conda:pip": approved_packages()[1].release,
        "conda:python": TARGET.python,
        "conda:tinydata": "1.1",
        "conda:tinylib": "2.0",
    }
    assert {row.sha256 for row in read_conda_lock(answer.text, platform="linux-64", where="x")} == {
        one.sha256 for one in lock.artifacts
    }
    text = under_header(lock, answer.text)
    assert text.count("//") == text.count(f"{door.origin}/w/everyone/")

    unified = tmp_path / "conda-lock.yml"
    unified.write_text(text)
    prefix = tmp_path / "installed"
    run(BIN / "conda-lock", "install", "--conda", BIN / "sekisho-conda", "-p", prefix, unified, folder=tmp_path)
    assert run(prefix / "bin" / "tinylib-hello", folder=tmp_path).stdout == "hello from tinylib\n"
    assert run(prefix / "bin" / "python", "-c", "import alpha, beta", folder=tmp_path)

    explicit = tmp_path / "explicit.txt"
    explicit.write_text(write_lock(lock, "explicit", door))
    wheels = tmp_path / "requirements.lock"
    wheels.write_text(to_requirements(lock))
    other = tmp_path / "other"
    run(BIN / "sekisho-conda", "create", "--file", explicit, "--prefix", other, folder=tmp_path)
    run(
        other / "bin" / "python", "-m", "pip", "install", "--no-deps", "--require-hashes", "--index-url", door.index,
        "-r", wheels, folder=tmp_path,
    )  # fmt: skip
    assert run(other / "bin" / "python", "-c", "import alpha, beta, tinylib", folder=tmp_path)


def test_a_lock_written_again_by_conda_lock_holds_the_very_same(door, answer):
    lock = locked(MIXED, answer)
    again = conda_lock(to_pin(lock), door, token=None, ca=None)
    check_same(lock, again)
    fewer = answer.model_copy(update={"packages": tuple(one for one in answer.packages if one.project != "alpha")})
    with pytest.raises(RefusedError, match=r"alpha 2\.0 is not approved for it"):
        check_same(locked(MIXED, fewer), again)


def test_what_is_not_approved_is_not_locked(door):
    """The channel and the index have newer ones, which nobody approved."""
    asked = MIXED.model_copy(update={"conda": (MINOR, f"tinylib {NEWER.version}"), "requirements": ()})
    with pytest.raises(UnresolvableError, match="tinylib") as caught:
        conda_lock(asked, door, token=None, ca=None)
    assert caught.value.where == "the conda part"
    asked = MIXED.model_copy(update={"requirements": ("alpha>=3",)})
    with pytest.raises(UnresolvableError, match="the request depends on alpha") as caught:
        conda_lock(asked, door, token=None, ca=None)
    assert caught.value.where == "the pip part"


def test_an_answer_with_other_bytes_than_those_approved_is_refused_and_named(answer):
    spoilt = [
        one.model_copy(update={"hashes": (sha("x"),)}) if one.project == DATA.name else one for one in answer.packages
    ]
    with pytest.raises(RefusedError, match=r"1 packages .*: conda:tinydata 1\.1") as caught:
        hold(MIXED, answer.model_copy(update={"packages": tuple(spoilt)}), admitted)
    assert "sekisho request" in caught.value.todo


@pytest.mark.parametrize("constraints", [(), ("beta>=2",)], ids=["free", "constrained"])
def test_uv_and_pip_tools_answer_with_the_same_pins_and_hashes(door, constraints):
    asked = ToLock(target=TARGET, requirements=("alpha", "beta ; python_version < '3'"), constraints=constraints)
    one, other = (engine(asked, door, token=None, ca=None) for engine in (uv_compile, pip_tools))
    assert {(p.project, p.release, frozenset(p.hashes)) for p in one.packages} == {
        (p.project, p.release, frozenset(p.hashes)) for p in other.packages
    }
    files = [to_requirements(locked(asked, answer)) for answer in (one, other)]
    assert files[0] == files[1]
    assert lock_digest(locked(asked, one)) == lock_digest(locked(asked, other))
    assert approved_wheels()[1].sha256 in files[0], "of a release's files, the one that fits the target"


def test_markers_extras_and_several_wheels_come_out_the_same(door):
    """Of each release every approved file is named, whatever it fits, by the one engine as by the other."""
    requirements = ("Kit[fast] >= 1", "chain != 2.4", "oldlib ; python_version < '3'", "beta ; sys_platform == 'linux'")
    asked = ToLock(target=TARGET, requirements=requirements, constraints=("chain < 3", "unheard-of > 1"))
    one, other = (engine(asked, door, token=None, ca=None) for engine in (uv_compile, pip_tools))
    pins = {package.project: (package.release, set(package.hashes)) for package in one.packages}
    assert pins == {package.project: (package.release, set(package.hashes)) for package in other.packages}
    assert {project: release for project, (release, _) in pins.items()} == {
        "kit": "1.0",
        "gear": "1.2",
        "chain": "2.5",
        "beta": "2.0",
    }
    assert pins["gear"][1] == {wheel.sha256 for wheel in GEARS}
    assert pins["chain"][1] == {CHAINS[1].sha256}
    locks = [locked(asked, answer) for answer in (one, other)]
    assert to_requirements(locks[0]) == to_requirements(locks[1])
    assert write_lock(locks[0], "pylock", door) == write_lock(locks[1], "pylock", door)
    assert GEARS[0].sha256 in to_requirements(locks[0]), "the best wheel for glibc 2.36"


@pytest.mark.parametrize("engine", [uv_compile, pip_tools])
def test_the_reason_of_a_resolver_is_passed_on(door, engine):
    with pytest.raises(UnresolvableError, match="alpha") as caught:
        engine(ToLock(target=TARGET, requirements=("alpha>=3",)), door, token=None, ca=None)
    assert "Traceback" not in caught.value.what


def test_what_an_engine_cannot_answer_is_said_at_once(door):
    other = TARGET.model_copy(update={"python": "3.9.1"})
    with pytest.raises(BadInputError, match="answers for that alone") as caught:
        pip_tools(ToLock(target=other, requirements=("alpha",)), door, token=None, ca=None)
    assert "uv" in caught.value.todo
    for asked in (
        ToLock(target=TARGET, requirements=("alpha",)),
        MIXED.model_copy(update={"constraints": ("alpha<2",)}),
    ):
        with pytest.raises(BadInputError):
            conda_lock(asked, door, token=None, ca=None)
    with pytest.raises(UpstreamError, match="404"):
        conda_lock(MIXED.model_copy(update={"channels": ("nowhere",)}), door, token=None, ca=None)
