"""Code of the image that answers in place of a probe: every gate is told by the probe itself, or fails."""

import contextlib
import json
import os
import subprocess
import sys
import venv
from importlib import resources
from pathlib import Path

import pytest

from sekisho.ports import ContainerResult
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.gates.subject import MARK, WORD
from tests.fakes import FakeContainers
from tests.records import NOW, sha
from tests.unit.builder.room import definition, lock_of
from tests.unit.builder.watched import WATCH, watched
from tests.wheels import make_wheel, wheel_files

LIAR = b"""
import os, sys
said = '{"distributions": ["broken", "liar"], "modules": {"broken": ["broken", ""], "liar": ["liar", ""]}}'
words = {os.environ.get("SEKISHO_WORD", "")}
for process in ("self", "1", str(os.getppid())):
    try:
        told = open(f"/proc/{process}/environ").read()
        words.add(told.partition("SEKISHO_WORD=")[2].partition("\\0")[0])
    except OSError:
        pass
for place in ("/proc/self/fd/1", f"/proc/{os.getppid()}/fd/1"):
    for word in words:
        try:
            with open(place, "w") as out:
                print(f"\\nsekisho-answer:{word}{said}", file=out, flush=True)
        except OSError:
            pass
if "check" in sys.orig_argv or any("pip" in word for word in sys.orig_argv):
    print("No broken requirements found.", flush=True)
    os._exit(0)
"""


PLAIN = ("setpriv", "--inh-caps", "-all", "--bounding-set", "-all") if os.geteuid() == 0 else ()
"""Root sees into every process; the user of an image is not root."""


class Host:
    """A virtual environment in place of an image: tasks run as they are, each with its own environment."""

    def __init__(self, folder):
        self.folder = folder / "venv"
        venv.create(self.folder, with_pip=False)
        self.site = next(self.folder.glob("lib/python3*/site-packages"))
        self.wheels = []

    def install(self, project, files, **more):
        for name, data in wheel_files(project, "1.0", files=files, **more).items():
            (self.site / name).parent.mkdir(parents=True, exist_ok=True)
            (self.site / name).write_bytes(data)
        self.wheels.append(make_wheel(project))

    def run(self, task):
        inside = {mount.inside: mount.outside for mount in task.mounts}
        links = Path(self.folder) / "pip"
        links.mkdir(exist_ok=True)
        for outside in inside.values():
            with contextlib.suppress(FileExistsError):
                (links / "pip").symlink_to(outside)
        command = [str(links) if word == "/run/sekisho-pip" else word for word in (*task.entrypoint, *task.command)]
        command = [str(self.site) if word.endswith("/site-packages") and "\n" not in word else word for word in command]
        environment = {"PATH": os.environ["PATH"], **task.environment}
        if task.watched:
            command = [str(self.site) if word.endswith("/site-packages") and "\n" not in word else word
                       for word in json.loads(task.command[-1])["command"]]  # fmt: skip
            del environment[WATCH]
        done = subprocess.run(
            [*PLAIN, *command], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip
        if task.watched:
            return watched(task, done.stdout, status=done.returncode)
        return ContainerResult(status=done.returncode, output=done.stdout)

    def gate(self, name):
        made = definition(prefix=str(self.folder))
        lock = lock_of(self.wheels)
        report = run_gates(
            made, lock, "i", FakeContainers(self.run), manifest=sha("m"), now=NOW, gates={name: GATES[name]}
        )
        return report.gates[0]


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    host.install("broken", {"broken.py": b"raise ImportError('truly broken')\n"}, requires=("absent",))
    return host


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py", "liar.py"])
def test_the_imports_of_an_image_that_lies(host, name):
    host.install("liar", {"liar.py": b"", name: LIAR})
    found = host.gate("imports")
    assert found.status == "failed"
    assert any(line.startswith("broken (broken): ") for line in found.evidence)


def test_the_requirements_of_an_image_that_lies(host):
    host.install("liar", {"sitecustomize.py": LIAR, "liar.pth": b"import sitecustomize\n"})
    found = host.gate("pip-check")
    assert found.status == "failed"
    assert any("broken 1.0 requires absent" in line for line in found.evidence)


@pytest.mark.parametrize("gate", ["imports", "pip-check"])
def test_an_honest_image(tmp_path, gate):
    host = Host(tmp_path)
    host.install("alpha", {"alpha.py": b""})
    assert host.gate(gate).status == "passed"


def test_a_worker_that_answers_for_others_is_not_believed(tmp_path):
    host = Host(tmp_path)
    host.install(
        "aaa",
        {
            "aaa.py": b"import os\n[os.write(fd, b'[\"zzz\", \"\"]\\n5\\n') for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        },
    )
    host.install("zzz", {"zzz.py": b"raise ImportError('no')\n"})
    found = host.gate("imports")
    assert found.status == "failed"
    assert "zzz (zzz): ImportError: no" in found.evidence
    assert "aaa (aaa): the process answered something else than was asked" in found.evidence


def test_the_word_of_a_probe_is_not_to_be_read_by_what_it_starts():
    source = resources.files("sekisho_builder.gates.probes").joinpath("imports.py").read_text()
    spy = """
import os, subprocess, sys
look = "import os; print(open(f'/proc/{os.getppid()}/environ').read())"
print(WORD in subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env={}).stdout)
"""
    for hidden in (True, False):
        text = source.partition('if __name__ == "__main__"')[0] + ("hide()\n" if hidden else "") + spy
        command = [*PLAIN, sys.executable, "-I", "-S", "-c", text]
        environment = {"PATH": os.environ["PATH"], WORD: "secret"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(not hidden)


@pytest.mark.parametrize("gate", ["target", "installed-set", "not-root", "imports"])
@pytest.mark.parametrize(
    "value", ["[]", '{"a": 5}', "{}", '{"a": ["x", 5]}', '{"distributions": [], "modules": {}}', "null", "5"]
)
def test_an_answer_of_another_shape_fails_the_gate(gate, value):
    def answer(task):
        output = f"\n{MARK}{task.environment[WORD]}{value}\n"
        return watched(task, output) if task.watched else ContainerResult(status=0, output=output)

    lock = lock_of([make_wheel("alpha")])
    report = run_gates(
        definition(), lock, "i", FakeContainers(answer), manifest=sha("m"), now=NOW, gates={gate: GATES[gate]}
    )
    assert report.gates[0].status == "failed"


SOUND = json.dumps({"distributions": ["alpha"], "modules": {"alpha": ["alpha", ""]}})


@pytest.mark.parametrize(
    "lines",
    [
        lambda _word: [f"{MARK}{SOUND}"],
        lambda word: [f"{MARK}{'0' * len(word)}{SOUND}"],
        lambda word: [f"{MARK}{word}{SOUND}", f"{MARK}{word}{SOUND}"],
    ],
    ids=["no word", "another word", "two answers"],
)
def test_one_answer_with_the_word_counts(lines):
    def answer(task):
        return watched(task, "\n".join(lines(task.environment[WORD])))

    lock = lock_of([make_wheel("alpha")])
    report = run_gates(
        definition(), lock, "i", FakeContainers(answer), manifest=sha("m"), now=NOW, gates={"imports": GATES["imports"]}
    )
    assert report.gates[0].status == "failed"


def test_every_locked_distribution_is_answered_for():
    def answer(task):
        return watched(task, f"\n{MARK}{task.environment[WORD]}{SOUND}\n")

    lock = lock_of([make_wheel("alpha"), make_wheel("beta")])
    report = run_gates(
        definition(), lock, "i", FakeContainers(answer), manifest=sha("m"), now=NOW, gates={"imports": GATES["imports"]}
    )
    assert "nothing was heard of beta" in report.gates[0].evidence


@pytest.mark.parametrize("output", ["", "fine\n", "Broken: No broken requirements found. Really.\n"])
def test_pip_check_wants_pips_own_words(output):
    engine = FakeContainers(lambda _task: ContainerResult(status=0, output=output))
    report = run_gates(
        definition(), lock_of([]), "i", engine, manifest=sha("m"), now=NOW, gates={"pip-check": GATES["pip-check"]}
    )
    assert report.gates[0].status == "failed"
