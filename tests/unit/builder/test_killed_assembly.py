"""An assembly that is killed at each point: the image before stays whole, and the next run makes the same one."""

import json
import os
import subprocess
import sys

STEP = 1 if os.environ.get("SEKISHO_SOAK") else 4
"""Every point in the soak, each fourth otherwise."""

SCRIPT = """
import json, os, shutil, sys
from pathlib import Path
from sekisho_builder.assemble import layer_file
from tests.unit.builder.conda_room import PYTHON, TOOL, CondaHouse
from tests.wheels import make_wheel

FOLDER, STEP = Path(sys.argv[1]), int(sys.argv[2])
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"}
left = [0]

def point():
    left[0] -= 1
    if left[0] == 0:
        os._exit(9)  # as a kill: nothing is tidied up, no buffer is written

def hook(event, details):
    if event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITING):
        point()

def counted(call):
    def instead(*given):
        done = call(*given)
        point()
        return done
    return instead

def wheels(release):
    parts = {f"alpha/{n}.bin": bytes(range(256)) * 200 + bytes([n]) for n in range(3)}
    return [make_wheel("alpha", release, files=parts), make_wheel("beta")]

def build(folder, release):
    house = CondaHouse(folder)
    house.write("start.sh", release.encode())
    more = {"files": [{"from": "start.sh", "to": "/opt/start.sh"}], "layer-size": 100_000, "large-package": 1}
    return house.lay(PYTHON, TOOL.but(version=release), wheels=wheels(release), **more)

before = build(FOLDER / "clean1", "1.0").manifest
after = build(FOLDER / "clean2", "2.0").manifest
sys.addaudithook(hook)
os.fsync = counted(os.fsync)
layer_file.LayerFile._write = counted(layer_file.LayerFile._write)
seen, number = [], 1 - STEP
while True:
    number += STEP
    folder = FOLDER / str(number)
    shutil.copytree(FOLDER / "clean1", folder)
    child = os.fork()
    if child == 0:
        left[0] = number
        build(folder, "2.0")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    layout = CondaHouse.layout(type("At", (), {"folder": folder}))
    layout.verify()
    found = layout.manifest_sha256
    again = build(folder, "2.0")
    layout.verify()
    seen.append([status, found, again.manifest])
    if status == 0:
        break
print(json.dumps({"before": before, "after": after, "seen": seen}))
"""


def test_a_killed_assembly_leaves_a_whole_image_and_is_made_up_for(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), str(STEP)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    killed = [found for status, found, _ in said["seen"] if status == 9]
    assert len(killed) > 40 // STEP
    assert killed[0] == said["before"]
    assert set(killed) == {said["before"], said["after"]}
    assert killed == sorted(killed, key=[said["before"], said["after"]].index)  # once it is the new one, it stays
    assert {again for _, _, again in said["seen"]} == {said["after"]}
    assert said["seen"][-1][0] == 0
