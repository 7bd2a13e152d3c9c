"""Environment archives, unpacked and run: a real CPython of this machine with packages of both kinds."""

import json
import os
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from sekisho.errors import BadInputError, ConflictError, RefusedError
from sekisho.sources import Source
from sekisho_builder.archive import write_archive
from sekisho_builder.archive.making import make_archive
from tests.channels import Channel, FakeChannels
from tests.channels.packages import PLACEHOLDER
from tests.fake_portal import FakePortal
from tests.fake_upstream import run_asgi
from tests.integration.builder.test_conda_images import PACKAGES, SPECS, TARGET, WHEEL
from tests.integration.proxy.house import House
from tests.unit.builder import conda_room as tiny
from tests.unit.builder.conda_room import conda_lock_of
from tests.unit.builder.room import definition

CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def write(folder, name="env", *, packages=PACKAGES, prefix="", **more):
    values = {"target": TARGET, "conda": SPECS, "requirements": ("alpha",), "prefix": "/opt/conda"} | more
    made = definition(name="kernel", **values)
    wheels = [WHEEL] if made.requirements else []
    lock = conda_lock_of(packages, wheels, target=TARGET, direct=made.requirements, conda=made.conda, name="kernel")
    folder.mkdir(exist_ok=True)
    for one in (*packages, *wheels):
        (folder / one.sha256).write_bytes(one.data)
    target = folder / f"{name}.tar.gz"
    return target, write_archive(made, lock, lambda one: folder / one.sha256, target, prefix=prefix)


def unpack(archive, place):
    place.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", archive, "-C", place], check=True)
    return place


def run(*command, **more):
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=CLEAN, **more)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return write(tmp_path_factory.mktemp("moving"))


@pytest.fixture
def anywhere():
    """A folder whose path is shorter than what packages have room for, however often tests ran here."""
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        yield Path(folder) / "here"


def test_it_runs_wherever_it_is_unpacked(moving, anywhere):
    home = unpack(moving[0], anywhere) / "kernel"
    assert PLACEHOLDER in (home / "bin/tool").read_text()
    (said,) = run(home / "bin/sekisho-unpack")
    assert said == f"{home}: {moving[1].moving} files name it now"
    assert run(home / "bin/tool") == [f"data of the tool {home}"]
    assert run(home / "bin/hello") == [f"hello x {home}"]
    assert run(home / "bin/python", "-c", "import idna, packaging, sys; print(sys.prefix)") == [str(home)]
    assert f"{home}/share\0".encode() in (home / "lib/where.bin").read_bytes()
    held = [path for path in home.rglob("*") if path.is_file() and PLACEHOLDER.encode() in path.read_bytes()]
    assert {path.parent.name for path in held} == {"conda-meta"}
    assert run(home / "bin/sekisho-unpack") == [f"{home}: there was nothing left to do"]


def test_what_was_killed_goes_on_and_what_was_moved_says_so(moving, tmp_path):
    home = unpack(moving[0], tmp_path / "a") / "kernel"
    process = subprocess.Popen([home / "bin/sekisho-unpack"], env=CLEAN, stdout=subprocess.DEVNULL)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(home / "bin/sekisho-unpack")
    assert run(home / "bin/tool") == [f"data of the tool {home}"]
    assert not list(home.rglob(".*.half"))
    moved = home.rename(tmp_path / "elsewhere")
    found = subprocess.run([moved / "bin/sekisho-unpack"], capture_output=True, text=True, check=False, env=CLEAN)
    assert found.returncode == 1
    assert f"was unpacked at {home} and then moved; unpack the archive anew" in found.stderr


@pytest.mark.parametrize(
    ("place", "says", "todo"),
    [
        ("long" * 20, "room for a prefix of 88 bytes", "unpack the archive anew at a shorter path"),
        ("a b", "no script can name a place with a space", "unpack the archive anew elsewhere"),
    ],
)
def test_a_place_where_it_cannot_work(moving, tmp_path, place, says, todo):
    home = unpack(moving[0], tmp_path / place) / "kernel"
    found = subprocess.run([home / "bin/sekisho-unpack"], capture_output=True, text=True, check=False, env=CLEAN)
    assert found.returncode == 1
    assert says in found.stderr
    assert todo in found.stderr


def test_one_for_a_fixed_place_needs_no_unpacking_program(tmp_path):
    home = tmp_path / "fixed"
    archive, made = write(tmp_path / "made", prefix=str(home))
    assert (made.folder, made.moving) == ("fixed", 0)
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    assert not (home / "bin/sekisho-unpack").exists()
    assert run(home / "bin/tool") == [f"data of the tool {home}"]
    assert run(home / "bin/hello") == [f"hello x {home}"]


def test_the_same_lock_gives_the_same_bytes(moving, tmp_path):
    mask = os.umask(0o077)
    try:
        again = write(tmp_path / "again", packages=PACKAGES[::-1])[1]
    finally:
        os.umask(mask)
    assert again.sha256 == moving[1].sha256
    with tarfile.open(moving[0]) as archive:
        entries = archive.getmembers()
    assert {(info.uid, info.gid, info.mtime) for info in entries} == {(0, 0, 315532800)}
    assert {info.name.partition("/")[0] for info in entries} == {"kernel"}


def test_what_is_no_conda_environment_or_no_place(tmp_path):
    with pytest.raises(BadInputError, match="nothing of a channel is locked"):
        write(tmp_path, packages=(), conda=())
    for prefix in ("relative", "/with a space/env", "/" + "p" * 130, "/a/../b"):
        with pytest.raises(BadInputError, match="cannot be where an environment is"):
            write(tmp_path, prefix=prefix)
    assert not list(tmp_path.glob("*.gz"))


def test_packages_come_through_the_workspaces_door(tmp_path):
    """The newest lock that fits counts, and what is approved no more is refused by the door."""
    upstream = FakeChannels(channels={"fake": Channel(tiny.PACKAGES)})
    lock = conda_lock_of(tiny.PACKAGES, (), direct=(), name="kernel")
    (tmp_path / "images/kernel").mkdir(parents=True)
    said = {"name": "kernel", "base": {"debian": "some"}, "target": lock.target.plain(), "conda": list(tiny.SPECS)}
    (tmp_path / "images/kernel/image.yaml").write_text(json.dumps(said))
    portal, old = FakePortal(), lock.model_copy(update={"conda": ("python",)})
    rows = [{"id": str(number), "request": {"image": "kernel"}, "lock": one and one.plain()}
            for number, one in enumerate((None, old, lock))]  # fmt: skip
    portal.answers["/api/requests"] = rows
    with run_asgi(upstream) as url, run_asgi(portal) as portal_url:
        house = House(tmp_path, upstream=url, portal=portal_url)
        house.inside = (Source(id="fake", kind="conda", url=f"{url}/fake"),)
        house.settle(house.approval(*lock.artifacts))
        with house.open() as client:
            told = {"proxy_url": str(client.base_url).rstrip("/"), "images": tmp_path / "images"}
            settings = house.settings.model_copy(update=told)
            made = make_archive(settings, house.token, "kernel", tmp_path / "kernel.tar.gz")
            assert made.packages == len(tiny.PACKAGES)
            with tarfile.open(tmp_path / "kernel.tar.gz") as archive:
                names = set(archive.getnames())
            assert {f"kernel/conda-meta/{package.stem}.json" for package in tiny.PACKAGES} <= names
            assert {f"/fake/{package.path}" for package in tiny.PACKAGES} <= set(upstream.paths())
            portal.answers["/api/requests"] = rows[:2]
            with pytest.raises(ConflictError, match="no request for image kernel as it is now"):
                make_archive(settings, house.token, "kernel", tmp_path / "other.tar.gz")
        house.settle(house.approval(*lock.artifacts[:1]))
        portal.answers["/api/requests"] = rows
        with house.open() as client:
            settings = settings.model_copy(update={"proxy_url": str(client.base_url).rstrip("/")})
            with pytest.raises(RefusedError):
                make_archive(settings, house.token, "kernel", tmp_path / "other.tar.gz")
    assert not (tmp_path / "other.tar.gz").exists()
