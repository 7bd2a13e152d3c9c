"""Source becomes a wheel: the program in the container, what is made of its answer, and what is held against it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sekisho.errors import BadInputError, ConflictError, UnresolvableError
from sekisho.model import Build, BuildSystem, Closure, Facts
from sekisho.ports import ContainerResult
from sekisho_builder.building import frontend
from sekisho_builder.building.closure import check_needs, exchange
from sekisho_builder.building.compare import differing
from sekisho_builder.building.make import ENVIRONMENT, Limits, Making, Recipe, make_wheel, wheel_of
from sekisho_builder.building.room import room_definition
from tests.fakes import FakeContainers
from tests.records import NOW, TARGET, sha
from tests.source_files import BACKEND, make_source
from tests.unit.builder.room import definition
from tests.wheels import make_wheel as wheel

SOURCE = make_source("raw")
ARTIFACT = SOURCE.artifact().model_copy(update={"build_only": True, "index": {}})
SYSTEM = BuildSystem(requires=("tiny-backend>=1",), backend="tiny_backend")
LIMITS = Limits(10, 1 << 30)
PLAIN = Build(project="raw", sdist=SOURCE.sha256, requires=("tiny-backend>=1",))
TOLD = PLAIN.model_copy(
    update={"extra": ("torch",), "variables": {"WITH": "1"}, "recipe": sha("way"), "built_with": {"torch": "2.0"}}
)
WHEEL = wheel("raw")


def run_frontend(folder, source, order, *, backend="tiny_backend", code=BACKEND):
    """Run the program as the container does; return (status, what it printed, the wheel)."""
    place = folder / order
    (place / "work").mkdir(parents=True)
    (place / "lib" / "tiny_backend").mkdir(parents=True)
    (place / "lib" / "tiny_backend" / "__init__.py").write_bytes(code)
    (place / "source.tar.gz").write_bytes(source.data)
    (place / "wheel").touch()
    arguments = [str(place / name) for name in ("source.tar.gz", "wheel", "work")]
    done = subprocess.run(
        [sys.executable, frontend.__file__, *arguments, backend, "[]", order],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place / "lib"), "SEKISHO_WORD": "word:"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, place / "wheel"


def test_the_program_makes_the_same_wheel_in_either_order(tmp_path):
    first, second = (run_frontend(tmp_path, SOURCE, order) for order in ("sorted", "reversed"))
    assert first[0] == second[0] == 0, first[1]
    assert first[2].read_bytes() == second[2].read_bytes()
    [line] = [line for line in first[1].splitlines() if line.startswith("word:")]
    assert json.loads(line.removeprefix("word:")) == {
        "missing": [],
        "wheel": "raw-1.0-py3-none-any.whl",
        "epoch": 1_600_000_000,
    }
    with zipfile.ZipFile(first[2]) as archive:
        assert archive.read("raw/__init__.py") == b"WORD = 'raw'\n"
        assert {row.date_time[:3] for row in archive.infolist()} == {(2020, 9, 13)}


def test_what_a_backend_asks_for_when_it_runs_is_not_brought(tmp_path):
    asking = BACKEND + b"\ndef get_requires_for_build_wheel(_=None):\n    return ['pytest', 'ghost>=2']\n"
    status, said, made = run_frontend(tmp_path, SOURCE, "sorted", code=asking)
    assert status == 0, said
    assert '"missing": ["ghost>=2"]' in said
    assert made.stat().st_size == 0


def test_a_backend_that_fails_ends_with_its_status(tmp_path):
    status, said, made = run_frontend(tmp_path, SOURCE, "sorted", backend="nosuch")
    assert status == 1
    assert "ModuleNotFoundError: No module named 'nosuch'" in said
    assert made.stat().st_size == 0


def answering(*, datas=(WHEEL.data, WHEEL.data), names=(WHEEL.filename, WHEEL.filename), status=0, said="", missing=()):
    """Return an engine in which builds come out so, one after the other."""
    turns = iter(zip(datas, names, strict=True))

    def behave(task):
        data, name = next(turns)
        out = next(mount for mount in task.mounts if mount.writable)
        with Path(out.outside).open("r+b") as file:
            file.write(data)
        word = task.environment["SEKISHO_WORD"]
        answer = json.dumps({"wheel": name, "epoch": 7, "missing": list(missing)})
        return ContainerResult(status=status, output=said or f"noise\n{word}{answer}\n")

    return FakeContainers(behave)


def made(folder, containers, variables=None):
    source = folder / "given.tar.gz"
    source.write_bytes(SOURCE.data)
    return make_wheel(ARTIFACT, Recipe(SYSTEM, variables or {}, LIMITS), source, "room", containers, folder)


def test_a_build_runs_twice_in_a_sealed_container(tmp_path):
    containers = answering()
    found = made(tmp_path, containers)
    assert (found.filename, found.epoch, found.differing) == (WHEEL.filename, 7, ())
    assert found.path.read_bytes() == WHEEL.data
    assert [task.command[-1] for task in containers.tasks] == ["sorted", "reversed"]
    for task in containers.tasks:
        assert task.network is None
        assert task.read_only
        assert task.largest_file == 4 << 30
        assert (task.timeout, task.memory, task.executable) == (10, 1 << 30, ("/build",))
        assert {key: task.environment[key] for key in ENVIRONMENT} == ENVIRONMENT
        assert [mount.writable for mount in task.mounts] == [False, True]


def test_both_builds_are_told_what_was_asked_for_and_nothing_of_the_room_changes(tmp_path):
    containers = answering()
    made(tmp_path, containers, {"WITH": "1", "PATH": "/evil"})
    assert len(containers.tasks) == 2
    for task in containers.tasks:
        assert task.environment["WITH"] == "1"
        assert task.environment["PATH"] == ENVIRONMENT["PATH"]


def test_a_second_build_that_differs_is_told(tmp_path):
    other = wheel("raw", files={"raw/__init__.py": b"other"})
    found = made(tmp_path, answering(datas=(WHEEL.data, other.data)))
    assert found.differing == ("raw-1.0.dist-info/RECORD", "raw/__init__.py")
    named = made(tmp_path, answering(names=(WHEEL.filename, "raw-1.0-py2-none-any.whl")))
    assert named.differing == ("its name, as raw-1.0-py2-none-any.whl",)


def test_what_differs_in_packing_alone_is_told(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for path, order in ((one, ("a", "b")), (other, ("b", "a"))):
        with zipfile.ZipFile(path, "w") as archive:
            for name in order:
                archive.writestr(zipfile.ZipInfo(name), b"x")
    assert differing(one, other) == ("the order, times or packing of its members",)
    assert differing(one, one) == ()
    other.write_bytes(b"no zip")
    assert any("no archive" in line for line in differing(one, other))


@pytest.mark.parametrize(
    ("options", "words"),
    {
        "compiler": ({"status": 1, "said": "error: command 'gcc' failed: No such file or directory"}, "no compiler"),
        "setuptools": (
            {"status": 1, "said": "error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'"},
            "no compiler",
        ),
        "shell": ({"status": 127, "said": "sh: 1: gcc: not found"}, "no compiler"),
        "killed": ({"status": 137, "said": "Killed"}, "as by too little memory"),
        "silent": ({"status": 3, "said": "\n"}, "status 3: it printed nothing"),
        "asks": ({"missing": ["numpy>=2"]}, "asks for numpy>=2 when it runs"),
        "no answer": ({"said": "all is well"}, "the build ended with status 0: all is well"),
    }.values(),
)
def test_a_build_that_fails_says_why(tmp_path, options, words):
    with pytest.raises(BadInputError, match=words) as caught:
        made(tmp_path, answering(**options))
    assert caught.value.where == "raw-1.0.tar.gz"
    assert caught.value.todo


def test_an_answer_that_cannot_be_read(tmp_path):
    def behave(task):
        return ContainerResult(status=0, output=f"{task.environment['SEKISHO_WORD']}[]\n")

    with pytest.raises(BadInputError, match="its answer cannot be read"):
        made(tmp_path, FakeContainers(behave))


def making(folder, filename):
    path = folder / "w"
    path.write_bytes(WHEEL.data)
    return Making(path, filename, 0, (), NOW, NOW)


def test_the_wheel_as_an_artifact(tmp_path):
    found = wheel_of(ARTIFACT, making(tmp_path, WHEEL.filename), TARGET, PLAIN)
    assert (found.sha256, found.size, found.built) == (WHEEL.sha256, len(WHEEL.data), SOURCE.sha256)
    assert found.path == f"built/{SOURCE.sha256}/{WHEEL.filename}"
    assert not found.build_only
    assert found.uploaded == ARTIFACT.uploaded
    native = wheel_of(ARTIFACT, making(tmp_path, "raw-1.0-cp311-cp311-linux_x86_64.whl"), TARGET, PLAIN)
    assert native.filename.endswith("linux_x86_64.whl")


def test_a_wheel_says_how_it_was_built_and_has_a_path_of_its_own_for_each_way(tmp_path):
    def at(**more):
        return wheel_of(ARTIFACT, making(tmp_path, WHEEL.filename), TARGET, TOLD.model_copy(update=more))

    found = at()
    assert (found.recipe, found.built_with) == (sha("way"), {"torch": "2.0"})
    paths = {found.path, at(built_with={"torch": "3.0"}).path, at(recipe=sha("other")).path}
    assert len(paths) == 3
    assert all(path.startswith(f"built/{SOURCE.sha256}/") and path.endswith(WHEEL.filename) for path in paths)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other-1.0-py3-none-any.whl", "another release"),
        ("raw-2.0-py3-none-any.whl", "another release"),
        ("raw-1.0-cp39-cp39-linux_x86_64.whl", "is not for Python 3.11"),
        ("../raw.whl", "no name of a wheel"),
    ],
)
def test_a_wheel_of_something_else_is_refused(tmp_path, name, words):
    with pytest.raises(BadInputError, match=words):
        wheel_of(ARTIFACT, making(tmp_path, name), TARGET, PLAIN)


def closure(*artifacts, builds=()):
    return Closure(
        request=sha("request"), target=TARGET, direct=("raw",), resolver="test", artifacts=artifacts, builds=builds
    )


def test_a_wheel_may_need_what_the_closure_holds_and_nothing_else():
    held = closure(ARTIFACT, wheel("beta", "2.0").artifact())

    def needs(*requires):
        check_needs(WHEEL.artifact(), Facts(sha256=WHEEL.sha256, size=1, requires=requires), held)

    needs("beta>=1", 'ghost; extra == "more"', 'ghost; python_version < "3"')
    for text in ("ghost", "beta>=3"):
        with pytest.raises(UnresolvableError, match="which its source did not say"):
            needs(text)


def test_a_source_without_its_wheel_stays_no_closure():
    build = Build(project="raw", sdist=SOURCE.sha256, requires=())
    with pytest.raises(ConflictError, match="raw was not built"):
        exchange(closure(ARTIFACT, builds=(build,)), [])


def test_a_room_is_the_base_and_what_the_build_asks_for():
    build = Build(project="raw", sdist=SOURCE.sha256, requires=("tiny-backend>=1",))
    room = room_definition(definition(environment={"A": "b"}, user="7"), build)
    assert (room.base.debian, room.requirements, dict(room.environment), room.user) == (
        "some", ("tiny-backend>=1",), {}, "1000:1000",
    )  # fmt: skip
    assert room_definition(definition(), TOLD).requirements == ("tiny-backend>=1", "torch")
    other = room_definition(definition(build_base={"debian": "with-compiler"}), build)
    assert other.base.debian == "with-compiler"
