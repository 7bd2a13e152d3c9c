import json
import subprocess
import sys

import pytest

from sekisho.errors import MissingToolError, UpstreamError
from sekisho.model.image import MayNotImport
from sekisho.ports import ContainerResult
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.gates.probes import imports as probe
from sekisho_builder.gates.subject import MARK, WORD, Answer
from tests.fakes import FakeContainers
from tests.records import NOW, TARGET, sha
from tests.unit.builder.room import definition, lock_of
from tests.unit.builder.watched import watched
from tests.wheels import make_wheel, wheel_files

LOCK = lock_of([make_wheel("alpha"), make_wheel("beta", "2.0")])
SOUND = {
    "installed": [["Alpha", "1.0", "sekisho"], ["beta", "2.0.0", "sekisho"]],
    "python": TARGET.python,
    "libc": TARGET.glibc,
    "shell": True,
}
USER = {
    "uid": 1000,
    "home": "/home/job",
    "home_writable": True,
    "workdir": "/home/job",
    "workdir_writable": True,
    "prefix_writable": False,
}


def imported(**modules):
    found = {"alpha": ["alpha", ""], "beta": ["beta", ""]} | modules
    return {"distributions": ["alpha", "beta"], "modules": found}


def answer(task, value, status=0, before="noise\n"):
    if task.watched:
        return watched(task, f"{before}\n{MARK}{task.environment[WORD]}{json.dumps(value)}\n")
    return ContainerResult(status=status, output=f"{before}\n{MARK}{task.environment[WORD]}{json.dumps(value)}\n")


def run(gate, value, *, status=0, **more):
    """Run one gate in an engine whose containers print ``value``."""
    engine = FakeContainers(lambda task: value if isinstance(value, ContainerResult) else answer(task, value, status))
    report = run_gates(
        definition(**more), LOCK, "sha256:i", engine, manifest=sha("m"), now=NOW, gates={gate: GATES[gate]}
    )
    return report.gates[0], engine


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("target", SOUND),
        ("installed-set", SOUND),
        ("pip-check", ContainerResult(status=0, output="No broken requirements found.\n")),
        ("not-root", USER),
        ("imports", imported()),
    ],
)
def test_a_sound_image_passes(gate, value):
    result, engine = run(gate, value)
    assert result.status == "passed"
    assert result.evidence
    for task in engine.tasks:
        assert task.network is None
        assert task.user is None
        assert task.read_only == task.watched == (gate == "imports")
        assert task.entrypoint == ("/opt/venv/bin/python",)
        assert not any(mount.writable for mount in task.mounts)


@pytest.mark.parametrize(
    ("gate", "value", "says"),
    [
        ("target", SOUND | {"python": "3.11.9"}, "Python is 3.11.9, not 3.11.2"),
        ("target", SOUND | {"libc": "2.31"}, "glibc is 2.31, not 2.36"),
        ("target", SOUND | {"shell": False}, "there is no /bin/sh"),
        ("installed-set", SOUND | {"installed": SOUND["installed"][:1]}, "beta 2 is locked and not installed"),
        (
            "installed-set",
            SOUND | {"installed": [*SOUND["installed"], ["Evil", "6", ""]]},
            "evil 6 is installed and not locked",
        ),
        (
            "installed-set",
            SOUND | {"installed": [["alpha", "2", ""], SOUND["installed"][1]]},
            "alpha is 2, locked as 1",
        ),
        (
            "installed-set",
            SOUND | {"installed": [*SOUND["installed"], SOUND["installed"][0]]},
            "1 packages are installed twice",
        ),
        ("pip-check", ContainerResult(status=1, output="alpha 1.0 requires gamma\n"), "alpha 1.0 requires gamma"),
        ("not-root", USER | {"uid": 0}, "the image runs as root"),
        ("not-root", USER | {"home_writable": False}, "the home /home/job cannot be written"),
        ("not-root", USER | {"prefix_writable": True}, "/opt/venv can be written, so a job could change the packages"),
        ("not-root", USER | {"workdir_writable": False}, "the working folder /home/job cannot be written"),
        ("imports", imported(beta=["beta", "ImportError: no"]), "beta (beta): ImportError: no"),
    ],
)
def test_a_faulty_image_fails_and_says_why(gate, value, says):
    result, _ = run(gate, value)
    assert result.status == "failed"
    assert says in result.evidence


def test_a_module_may_be_excused_with_a_reason():
    excused = (MayNotImport(module="beta", reason="needs a GPU"), MayNotImport(module="alpha", reason="needs a GPU"))
    excused += (MayNotImport(module="gamma", reason="needs a GPU"),)
    result, _ = run("imports", imported(beta=["beta", "ImportError: no"]), may_not_import=excused)
    assert result.status == "passed"
    assert result.evidence == (
        "1 of 2 modules import",
        "beta does not import, as expected: needs a GPU",
        "alpha imports after all: drop it from may-not-import",
        "gamma is not in the image: drop it from may-not-import",
    )


@pytest.mark.parametrize("output", ["", "Segmentation fault\n", f"{MARK}not json"])
def test_a_container_without_an_answer_fails_the_gate(output):
    result, _ = run("target", ContainerResult(status=139, output=output))
    assert result.status == "failed"
    assert "status 139" in result.evidence[0]


def test_every_gate_runs_and_time_that_is_up_is_a_failure():
    def slow(task):
        raise UpstreamError("the container did not end")

    report = run_gates(definition(), LOCK, "i", FakeContainers(slow), manifest=sha("m"), now=NOW)
    passed = [gate.gate for gate in report.gates if gate.status == "passed"]
    assert passed == ["verify", "profiles"]
    assert [gate.gate for gate in report.gates] == list(GATES)
    assert not report.passed
    assert report.image == sha("m")


def test_a_gate_that_stumbles_over_an_image_fails_and_the_others_run():
    def stumbles(_subject):
        raise KeyError("Env")

    gates = {"stumbles": stumbles, "target": GATES["target"]}
    engine = FakeContainers(lambda task: answer(task, SOUND))
    report = run_gates(definition(), LOCK, "i", engine, manifest=sha("m"), now=NOW, gates=gates)
    assert [(gate.gate, gate.status) for gate in report.gates] == [("stumbles", "failed"), ("target", "passed")]
    assert report.gates[0].evidence == ("the gate could not look: KeyError: 'Env'",)


def test_a_missing_engine_says_nothing_of_the_image():
    def absent(task):
        raise MissingToolError("no engine")

    with pytest.raises(MissingToolError):
        run_gates(definition(), LOCK, "i", FakeContainers(absent), manifest=sha("m"), now=NOW)


def test_progress_counts_gates():
    told = []
    gates = {"one": lambda _subject: Answer(passed=True, evidence=("fine",))}
    run_gates(
        definition(),
        LOCK,
        "i",
        FakeContainers(),
        manifest=sha("m"),
        now=NOW,
        gates=gates,
        progress=lambda *at: told.append(at),
    )
    assert told == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["alpha/__init__.py", "alpha/x.py", "alpha/sub/__init__.py"], ["alpha"]),
        (["six.py", "../../../bin/six"], ["six"]),
        (["_cffi.cpython-311-x86_64-linux-gnu.so", "cffi/__init__.py"], ["_cffi", "cffi"]),
        (["_only.abi3.so"], ["_only"]),
        (
            ["google/auth/__init__.py", "google/auth/x.py", "google/oauth2/__init__.py"],
            ["google.auth", "google.oauth2"],
        ),
        (["azure/core/deep/er/__init__.py", "azure/core/mod.py"], ["azure.core.deep.er", "azure.core.mod"]),
        (
            ["alpha/__init__.py", "tests/__init__.py", "alpha.libs/libx.so", "a-b/c.py", "data/readme.txt"],
            ["alpha", "tests"],
        ),
        (["tests/__init__.py"], ["tests"]),
        (["alpha.pth", "alpha/notes.txt"], []),
    ],
)
def test_which_modules_a_distribution_has(paths, found):
    assert probe.modules(paths) == found


def test_the_probe_survives_modules_that_exit_crash_and_hang(tmp_path):
    files = {
        "aa_good.py": b"print('noise')",
        "bb_exit.py": b"import os; os._exit(3)",
        "cc_crash.py": b"import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "dd_hang.py": b"import time; time.sleep(600)",
        "ee_error.py": b"raise ImportError('no such library')",
        "ff_leaves.py": b"import sys; sys.exit(0)",
        "gg_good.py": b"",
    }
    for name, data in wheel_files("alpha", "1.0", files=files).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = subprocess.run(
        [sys.executable, probe.__file__, str(tmp_path), "1.5"],
        env={"PYTHONPATH": str(tmp_path), WORD: "w"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = json.loads(found.stdout.partition(f"{MARK}w")[2])["modules"]
    assert {module: error for module, (_, error) in results.items()} == {
        "aa_good": "",
        "bb_exit": "the process ended with status 3",
        "cc_crash": "the process ended with status -11",
        "dd_hang": "no end after 2 seconds",
        "ee_error": "ImportError: no such library",
        "ff_leaves": "SystemExit: 0",
        "gg_good": "",
    }
    assert {owner for owner, _ in results.values()} == {"alpha"}


@pytest.mark.parametrize("name", ["installed", "identity"])
def test_the_other_probes_answer(name, tmp_path):
    path = f"{probe.__file__.rpartition('/')[0]}/{name}.py"
    found = subprocess.run(
        [sys.executable, path, str(tmp_path)], env={WORD: "w"}, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout.partition(f"{MARK}w")[2])
