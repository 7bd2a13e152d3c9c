import json
import socket
import struct

import pytest

from sekisho.model.image import MayReach, Verification
from sekisho.ports import ContainerResult
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.gates.probes import watch as probe
from sekisho_builder.gates.subject import MARK, WORD
from tests.fakes import FakeContainers
from tests.records import NOW, sha
from tests.unit.builder.room import definition, lock_of
from tests.unit.builder.watched import watched
from tests.wheels import make_wheel

ASKED = ["python /verify/a.py", "udp", "192.0.2.53", 53, "telemetry.example.org", 4]
STEERS = ["python\x1b[2J", "udp", "192.0.2.53", 53, "a\x07.example.org", 1]
TRIED = ["", "tcp", "2001:db8::9", 443, "", 1]


def run(behave, *gates, folder=None, projects=("alpha",), **more):
    """Run some gates; return their results and the engine."""
    engine = FakeContainers(behave)
    lock = lock_of([make_wheel(project) for project in projects])
    wanted = {gate: GATES[gate] for gate in gates}
    report = run_gates(
        definition(**more), lock, "sha256:i", engine, manifest=sha("m"), now=NOW, verify=folder, gates=wanted
    )
    return [*report.gates, engine]


def done(**more):
    """Return an engine in which every profile's probe answers that all is well, apart from ``more``."""
    value = {"saw": ["it ran"], "faults": []} | more
    return lambda task: watched(task, f"{MARK}{task.environment[WORD]}{json.dumps(value)}\n")


@pytest.fixture
def scripts(tmp_path):
    for name in ("b.py", "a.py", "notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_every_script_runs_in_a_container_of_its_own(scripts):
    found, engine = run(watched, "verify", folder=scripts)
    assert found.status == "passed"
    assert found.evidence == ("a.py passed in 0.1 s", "b.py passed in 0.1 s")
    for task, name in zip(engine.tasks, ("a.py", "b.py"), strict=True):
        given = json.loads(task.command[-1])
        assert given["command"] == ["/opt/venv/bin/python", f"/verify/{name}"]
        assert (given["uid"], given["gid"], given["seconds"]) == (1000, 1000, 300)
        assert (task.memory, task.processes, task.read_only, task.watched) == (2 << 30, 256, True, True)
        assert task.network is None
        assert [(one.inside, one.writable) for one in task.mounts] == [("/verify", False)]


def test_the_definition_says_which_scripts_and_what_they_may_use(scripts):
    declared = (
        Verification(script="b.py", seconds=7, memory=64 << 20, processes=9),
        Verification(script="gone.py"),
    )
    found, engine = run(watched, "verify", folder=scripts, verify=declared)
    assert found.status == "failed"
    assert found.evidence == ("gone.py is declared and not in verify/", "b.py passed in 0.1 s")
    (task,) = engine.tasks
    assert (task.memory, task.processes, json.loads(task.command[-1])["seconds"]) == (64 << 20, 9, 7)


def test_without_scripts_the_gate_says_so(tmp_path):
    found, engine = run(watched, "verify", folder=tmp_path / "absent")
    assert (found.status, found.evidence) == ("passed", ("the definition has no verify/ scripts",))
    assert not engine.tasks


@pytest.mark.parametrize("to", ["secret", "nowhere", "folder"])
def test_what_a_link_in_verify_leads_to_is_in_no_container(tmp_path, scripts, to):
    (tmp_path / "secret").write_text("print('of this machine')")
    (tmp_path / "folder").mkdir()
    (scripts / "c.py").symlink_to(tmp_path / to)
    found, engine = run(watched, "verify", folder=scripts)
    assert (found.status, found.evidence) == ("failed", ("verify/c.py is a link or a special file",))
    assert not engine.tasks


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        ({"status": 1}, "ended with status 1; its last words: Traceback | boom"),
        ({"status": -9, "in_time": False}, "did not end within 300 seconds and was killed; its last words: Traceback | boom"),
        (
            {"status": -9, "limits": {"memory": 1, "processes": 0}},
            "needed more memory than it may have (2048 MB) and was killed; its last words: Traceback | boom",
        ),
        (
            {"limits": {"memory": 0, "processes": 40}},
            "wanted more than 256 processes at once; its last words: Traceback | boom",
        ),
    ],
)  # fmt: skip
def test_a_script_that_fails_is_named_with_the_reason_and_the_others_run(scripts, ended, says):
    def behave(task):
        bad = json.loads(task.command[-1])["command"][1].endswith("a.py")
        return watched(task, "Traceback\nboom\n", **ended) if bad else watched(task)

    found, _ = run(behave, "verify", folder=scripts)
    assert (found.status, found.evidence) == ("failed", (f"a.py {says}", "b.py passed in 0.1 s"))


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (ContainerResult(status=137, output=""), "was killed with all that was beside it, as where memory ends (2048 MB)"),
        (ContainerResult(status=0, output=f"{MARK}guessed{{}}\n"), "the probe watch ended with status 0: "),
    ],
)  # fmt: skip
def test_a_watcher_that_did_not_answer_fails_what_it_watched(scripts, ended, says):
    verify, outbound, engine = run(lambda _task: ended, "verify", "no-outbound", folder=scripts)
    assert (verify.status, outbound.status) == ("failed", "failed")
    assert says in verify.evidence[0]
    assert outbound.evidence[0] == "what verify/a.py tried is not known: it was not watched to its end"
    assert len(engine.tasks) == 1


def test_who_tried_to_leave_is_named_with_where_to(scripts):
    def behave(task):
        return watched(task, attempts=[ASKED, TRIED], packets=5)

    _, found, _ = run(behave, "verify", "no-outbound", folder=scripts, verify=(Verification(script="a.py"),))
    assert found.status == "failed"
    assert found.evidence == (
        "verify/a.py: python /verify/a.py asked for the address of telemetry.example.org (udp 4 times)",
        "verify/a.py: a process that is gone tried [2001:db8::9]:443 (tcp)",
        "1 runs were watched: verify/a.py",
    )


def test_evidence_does_not_steer_a_terminal(scripts):
    def behave(task):
        return watched(task, "\x1b]0;title\x07", status=1, attempts=[STEERS], packets=1)

    verify, outbound, _ = run(behave, "verify", "no-outbound", folder=scripts)
    assert all(line.isprintable() for line in (*verify.evidence, *outbound.evidence))


def test_a_destination_may_be_accepted_with_a_reason(scripts):
    accepted = (
        MayReach(destination="telemetry.example.org", reason="says hello once"),
        MayReach(destination="192.0.2.7:80", reason="was tried once"),
    )

    def behave(task):
        return watched(task, attempts=[ASKED], packets=4)

    verify = (Verification(script="a.py"),)
    _, found, _ = run(behave, "verify", "no-outbound", folder=scripts, verify=verify, may_reach=accepted)
    assert found.status == "passed"
    assert found.evidence == (
        "1 runs were watched: verify/a.py",
        (
            "verify/a.py: python /verify/a.py asked for the address of telemetry.example.org (udp 4 times), "
            "accepted: says hello once"
        ),
        "192.0.2.7:80 was not tried: drop it from may-reach",
    )


def test_more_attempts_than_are_told_are_not_accepted(scripts):
    accepted = (MayReach(destination="telemetry.example.org", reason="says hello once"),)

    def behave(task):
        return watched(task, attempts=[ASKED], packets=9)

    verify = (Verification(script="a.py"),)
    _, found, _ = run(behave, "verify", "no-outbound", folder=scripts, verify=verify, may_reach=accepted)
    assert (found.status, found.evidence[0]) == ("failed", "verify/a.py: 5 attempts more")


def test_nothing_watched_shows_nothing():
    found, _ = run(watched, "no-outbound")
    assert (found.status, found.evidence[0]) == ("failed", "nothing was watched")


def test_each_profile_that_is_claimed_is_run():
    claimed = {
        "job": ("mlflow", "azureml-mlflow"),
        "online": ("azureml-inference-server-http",),
        "batch": ("azureml-core", "azureml-dataset-runtime", "fusepy"),
        "notebook": ("ipykernel",),
    }
    projects = [project for needed in claimed.values() for project in needed]
    found, engine = run(done(), "profiles", projects=projects, profiles=tuple(claimed))
    assert (found.status, found.evidence) == ("passed", tuple(f"{profile}: it ran" for profile in claimed))
    assert len(engine.tasks) == len(claimed)
    assert all(task.watched and task.read_only for task in engine.tasks)


@pytest.mark.parametrize(
    ("profile", "more", "says"),
    [
        ("job", {}, "job: neither mlflow nor mlflow-skinny is in the lock, so a run is not tracked"),
        ("online", {}, "online: azureml-inference-server-http is not in the lock"),
        ("batch", {"projects": ("azureml-core", "fusepy")}, "batch: azureml-dataset-runtime is not in the lock"),
        ("notebook", {}, "notebook: ipykernel is not in the lock"),
        (
            "online",
            {"projects": ("azureml-inference-server-http",), "environment": {"DYNAMIC_DEP_INSTALLATION": "true"}},
            "online: DYNAMIC_DEP_INSTALLATION is on: the server would install packages when it starts",
        ),
    ],
)
def test_what_a_profile_lacks_outright_is_said_without_a_run(profile, more, says):
    found, engine = run(done(), "profiles", profiles=(profile,), **more)
    assert (found.status, found.evidence) == ("failed", (says,))
    assert not engine.tasks


def test_a_profile_that_does_not_work_fails():
    found, _ = run(done(faults=["no kernel"]), "profiles", projects=("ipykernel",), profiles=("notebook",))
    assert (found.status, found.evidence) == ("failed", ("notebook: no kernel", "notebook: it ran"))


def test_without_a_claim_nothing_is_run():
    found, engine = run(done(), "profiles")
    assert (found.status, found.evidence) == ("passed", ("the definition claims no profile",))
    assert not engine.tasks


def query(name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def packet4(protocol, carried, destination="203.0.113.5"):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(carried), 0, 0, 64, protocol, 0)
    return header + socket.inet_aton("192.0.2.1") + socket.inet_aton(destination) + carried


def packet6(protocol, carried, destination="2001:db8::9"):
    header = struct.pack("!IHBB", 6 << 28, len(carried), protocol, 64)
    return (
        header
        + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
        + socket.inet_pton(socket.AF_INET6, destination)
        + carried
    )


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (packet4(6, struct.pack("!HH", 5000, 443) + bytes(16)), (6, 5000, "203.0.113.5", 443, b"")),
        (packet6(17, struct.pack("!HHHH", 5000, 9, 9, 0) + b"x"), (17, 5000, "2001:db8::9", 9, b"x")),
        (packet4(1, bytes([8, 0, 0, 0, 0, 7, 0, 0])), (1, 7, "203.0.113.5", 0, b"")),
        (packet4(132, bytes(12)), (132, 0, "203.0.113.5", 0, b"")),
        (packet6(58, bytes([133, 0, 0, 0, 0, 0, 0, 0])), None),  # the kernel looks for a router
        (packet4(2, bytes(8)), None),  # the kernel joins a group
        (b"short", None),
    ],
)
def test_a_packet_says_where_it_would_go(packet, found):
    assert probe.parse(packet) == found


@pytest.mark.parametrize("name", ["api.example.org", "x"])
def test_the_name_that_is_asked_for_is_read(name):
    assert probe.asked_name(query(name.upper())) == name


@pytest.mark.parametrize("broken", [b"", query("api.example.org")[:15], bytes(12) + b"\xff" * 300])
def test_a_broken_question_is_no_error(broken):
    assert isinstance(probe.asked_name(broken), str)


def test_a_refusal_has_checksums_that_hold():
    refused = probe.refusal(packet4(6, struct.pack("!HH", 5000, 443) + bytes(17)))
    assert probe.checksum(refused[:20]) == 0
    assert probe.checksum(refused[20:]) == 0
    assert (refused[12:16], refused[16:20]) == (socket.inet_aton("203.0.113.5"), socket.inet_aton("192.0.2.1"))
    refused = probe.refusal(packet6(17, struct.pack("!HHHH", 5000, 9, 9, 0) + b"x"))
    pseudo = refused[8:40] + struct.pack("!II", len(refused) - 40, 58)
    assert probe.checksum(pseudo + refused[40:]) == 0
