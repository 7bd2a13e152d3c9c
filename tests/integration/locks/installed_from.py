"""Run in a network whose only way out leads to a recorder: installs from each format of a lock, by its own readers."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

from sekisho.lock import Answer, DoorAddress, Pinned, write_lock
from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, installed, python_package
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.locks.conftest import ALPHA, BETA, DATA, LIB, approved_packages, approved_wheels
from tests.integration.locks.test_locked_at_a_door import MIXED, locked
from tests.integration.proxy.house import House, bare_environment

BIN = Path(sys.executable).parent
PIXI = """
import asyncio, os, sys
from rattler import LockFile, install
async def main(lock, prefix, cache, wheels):
    environment = LockFile.from_path(lock).default_environment()
    records = environment.conda_repodata_records()["linux-64"]
    await install(records, prefix, cache_dir=cache, show_progress=False, execute_link_scripts=False)
    rows = environment.pypi_packages()["linux-64"]
    lines = [f"{row.name} @ {row.location} --hash=sha256:{row.hashes.sha256.hex()}" for row in rows]
    open(wheels, "w").write("\\n".join(lines))
asyncio.run(main(*sys.argv[1:]))
os._exit(0)
"""
TRY = "import alpha, beta; print(alpha.__version__, beta.__version__)"


def run(folder, *command, **more):
    environment = {**bare_environment(folder), **more}
    done = subprocess.run(list(map(str, command)), env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False)  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else f"{done.stdout}{done.stderr}"[-600:]


def from_each(lock, door, folder):
    """Return what came of each format: what the environment that it became says when it runs."""
    paths = {name: folder / file for name, file in (("pylock", "pylock.toml"), ("pixi", "pixi.lock"), ("explicit", "explicit.txt"))}  # fmt: skip
    for name, path in paths.items():
        path.write_text(write_lock(lock, name, door))
    pip, said = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir"), {}
    by_uv, by_pip = folder / "by-uv", folder / "by-pip"
    said["uv, pylock.toml"] = run(
        folder, uv.find_uv_bin(), "pip", "install", "--no-cache", "--python", sys.executable, "--target", by_uv,
        "-r", paths["pylock"],
    ) or run(folder, sys.executable, "-c", TRY, PYTHONPATH=str(by_uv))  # fmt: skip
    run(folder, *pip, "--target", by_pip, "-r", paths["pylock"])
    said["pip, pylock.toml"] = run(folder, sys.executable, "-c", TRY, PYTHONPATH=str(by_pip))
    prefix, wheels = folder / "by-pixi", folder / "wheels.txt"
    said["py-rattler, pixi.lock"] = run(
        folder, sys.executable, "-c", PIXI, paths["pixi"], prefix, folder / "cache", wheels
    ) or run(folder, prefix / "bin" / "tinylib-hello")  # fmt: skip
    run(folder, prefix / "bin" / "python", *pip[1:], "--no-deps", "--no-index", "--require-hashes", "-r", wheels)
    said["pip, wheels of pixi.lock"] = run(folder, prefix / "bin" / "python", "-c", TRY)
    other = folder / "by-explicit"
    run(folder, BIN / "sekisho-conda", "create", "--file", paths["explicit"], "--prefix", other)
    said["sekisho-conda, explicit"] = run(folder, other / "bin" / "tinylib-hello")
    return said


def main():
    index = FakeUpstream(wheels=[ALPHA, BETA])
    channels = FakeChannels(channels={"forge": Channel((python_package(), installed("pip"), DATA, LIB))})
    files = [*approved_packages(), *(one for one in approved_wheels() if "win" not in one.filename)]
    with tempfile.TemporaryDirectory() as folder, run_asgi(index) as url, run_asgi(channels) as forge:
        house = House(Path(folder), upstream=url)
        house.inside = (Source(id="forge", kind="conda", url=f"{forge}/forge"),)
        house.settle(*(house.approval(one) for one in files))
        with house.open() as client:
            door = DoorAddress(str(client.base_url).rstrip("/"), "everyone")
            pins = [
                Pinned(kind=one.kind, project=one.project, release=one.release, hashes=(one.sha256,)) for one in files
            ]
            lock = locked(MIXED, Answer(resolver="test", packages=tuple(pins)))
            said = from_each(lock, door, Path(folder))
    sys.stdout.write(f"said:{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
