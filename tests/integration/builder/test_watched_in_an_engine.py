"""What a real container tries, wants too much of, or cannot do, on the small image of ``test_images_in_an_engine``."""

from datetime import UTC, datetime

import pytest

from sekisho.model.image import Verification
from sekisho_builder.gates import GATES, run_gates
from tests.integration.builder.test_images_in_an_engine import built  # noqa: F401 (a fixture)
from tests.wheels import make_wheel

pytestmark = pytest.mark.docker

MB = 1 << 20
REACHES = """
import socket, subprocess, sys
def tries(address, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    with socket.socket(family, kind) as one:
        try:
            one.settimeout(5)
            one.connect(address)
            one.send(b"x")
        except ConnectionRefusedError:
            print("refused", address)
try:
    socket.getaddrinfo("telemetry.example.org", 443)
except socket.gaierror as error:
    print(error)
tries(("203.0.113.5", 443))
tries(("2001:db8::9", 8443), family=socket.AF_INET6)
subprocess.run([sys.executable, "-c", "import socket; socket.socket(2, 2).sendto(b'x', ('203.0.113.6', 514))"], check=True)
with socket.create_server(("127.0.0.1", 0)) as here:
    tries(here.getsockname())
assert socket.gethostbyname(socket.gethostname()) == "127.0.0.1"
"""
SCRIPTS = {
    "ends.py": (
        "import os, pathlib\n"
        "assert os.getuid() == 1000 and pathlib.Path.cwd() == pathlib.Path(os.environ['OUTPUT'])\n"
        "[pathlib.Path(folder, 'file').write_text('x') for folder in (pathlib.Path.home(), '.', '/tmp')]\n"
        "try: pathlib.Path('/opt/venv/file').touch()\n"
        "except OSError as error: assert 'Read-only' in str(error)\n"
        "else: raise SystemExit('the root can be written')\n"
        "assert 'SEKISHO_WATCH' not in os.environ\n"
        "assert not os.access('/proc/1/environ', os.R_OK)\n"
        "try: os.kill(1, 9)\n"
        "except PermissionError: pass\n"
    ),
    "hangs.py": "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n",
    "eats.py": "kept = []\nwhile True: kept.append(bytearray(1 << 22))\n",
    "fills.py": "with open('/outputs/file', 'wb') as file:\n    while True: file.write(bytes(1 << 20))\n",
    "forks.py": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n",
    "floods.py": "import sys\nfor _ in range(40): sys.stdout.write('\\0' * (1 << 20))\nraise SystemExit('the end')\n",
}
BOUNDS = {"hangs.py": {"seconds": 1}, "forks.py": {"seconds": 1, "processes": 20}}


def gates(engine, built, folder, *names, wheels=(), **more):  # noqa: F811 (a fixture)
    made, lock, papers, image = built
    definition = made.model_copy(update=more)
    artifacts = (*lock.artifacts, *(wheel.artifact() for wheel in wheels))
    lock = lock.model_copy(update={"artifacts": artifacts})
    chosen = {name: GATES[name] for name in names}
    report = run_gates(
        definition, lock, image, engine, manifest=papers.layout.manifest_sha256, now=datetime.now(UTC), verify=folder,
        gates=chosen,
    )  # fmt: skip
    return {gate.gate: gate for gate in report.gates}


def test_a_script_that_hangs_eats_or_forks_fails_and_leaves_the_others_and_nothing_else(engine, built, tmp_path):  # noqa: F811
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    asked = tuple(Verification(script=name, memory=64 * MB, **BOUNDS.get(name, {})) for name in sorted(SCRIPTS))
    found = gates(engine, built, tmp_path, "verify", verify=asked)["verify"]
    said = {line.partition(" ")[0]: line for line in found.evidence}
    assert found.status == "failed"
    assert "ends.py passed in" in said["ends.py"]
    assert said["hangs.py"].endswith("did not end within 1 seconds and was killed; its last words: waiting")
    assert "needed more memory than it may have (64 MB) and was killed" in said["eats.py"]
    assert "needed more memory than it may have (64 MB) and was killed" in said["fills.py"]
    assert "wanted more than 20 processes at once" in said["forks.py"]
    assert said["floods.py"].startswith("floods.py ended with status 1; its last words: \ufffd\ufffd")
    assert said["floods.py"].endswith("the end")
    assert not engine._client.containers.list(all=True, filters={"ancestor": built[3]})


def test_what_would_leave_a_container_is_seen_by_process_and_destination(engine, built, tmp_path):  # noqa: F811
    (tmp_path / "reaches.py").write_text(REACHES)
    found = gates(engine, built, tmp_path, "verify", "no-outbound")
    assert found["verify"].status == "passed", found["verify"].evidence
    assert found["no-outbound"].status == "failed"
    who = "verify/reaches.py: /opt/venv/bin/python /verify/reaches.py"
    evidence = "\n".join(found["no-outbound"].evidence)
    assert f"{who} asked for the address of telemetry.example.org (udp" in evidence
    assert f"{who} tried 203.0.113.5:443 (tcp" in evidence
    assert f"{who} tried [2001:db8::9]:8443 (tcp" in evidence
    assert "tried 203.0.113.6:514 (udp)" in evidence
    assert "127.0.0.1" not in evidence
    assert len(found["no-outbound"].evidence) == 5


def test_a_profile_that_an_image_does_not_fulfil_fails_in_the_container(engine, built, tmp_path):  # noqa: F811
    needed = (
        "mlflow",
        "azureml-inference-server-http",
        "azureml-core",
        "azureml-dataset-runtime",
        "fusepy",
        "ipykernel",
    )
    profiles = ("job", "online", "batch", "notebook")
    found = gates(engine, built, tmp_path, "profiles", wheels=[make_wheel(name) for name in needed], profiles=profiles)
    said = "\n".join(found["profiles"].evidence)
    assert found["profiles"].status == "failed"
    assert "job: the job ended with status 1" in said
    assert "No module named 'mlflow'" in said
    assert "online: the server cannot be started" in said
    assert "batch: the mini-batches did not run" in said
    assert "notebook: the kernel did not run" in said
    assert "No module named 'ipykernel'" in said
