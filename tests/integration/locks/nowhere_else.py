"""Run in a network whose only way out leads to a recorder: locks at a door, then asks for what is outside if told to."""

import json
import sys
import tempfile
from pathlib import Path

from sekisho.errors import SekishoError
from sekisho.lock import DoorAddress
from sekisho.sources import Source
from sekisho_builder.locking import conda_lock, pip_tools, unified, uv_compile
from tests.channels import Channel, FakeChannels, installed, python_package
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.locks.conftest import ALPHA, BETA, DATA, LIB, MINOR, TARGET, approved_packages, approved_wheels
from tests.integration.proxy.house import House


def main(how: str) -> None:
    if how == "led-astray":  # as conda-lock is without our settings: the public index beside the door's
        ours = unified._environment
        unified._environment = lambda *a, **k: {**ours(*a, **k), "allow-pypi-requests": True}
    index = FakeUpstream(wheels=[ALPHA, BETA])
    channels = FakeChannels(channels={"forge": Channel((python_package(), installed("pip"), DATA, LIB))})
    with tempfile.TemporaryDirectory() as folder, run_asgi(index) as url, run_asgi(channels) as forge:
        house = House(Path(folder), upstream=url)
        house.inside = (Source(id="forge", kind="conda", url=f"{forge}/forge"),)
        house.settle(*(house.approval(one) for one in [*approved_packages(), *approved_wheels()]))
        with house.open() as client:
            door = DoorAddress(str(client.base_url).rstrip("/"), "everyone")
            said = {}
            asked = unified.ToLock(
                target=TARGET, conda=(MINOR, "tinylib", "pip"), requirements=("alpha",), channels=("forge",)
            )
            engines = {"conda-lock": conda_lock}
            if how != "led-astray":
                engines |= {"uv": uv_compile, "pip-tools": pip_tools}
            for name, engine in engines.items():
                one = asked if name == "conda-lock" else asked.model_copy(update={"conda": ()})
                try:
                    said[name] = len(engine(one, door, token=None, ca=None).packages)
                except SekishoError as error:
                    said[name] = str(error)[-300:]
    sys.stdout.write(f"said:{json.dumps(said)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
