"""What a security test found at the doors: names, lengths, and files that stop their inspector."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sekisho_proxy.attesting import Attesting
from sekisho_proxy.bundle import workshop
from sekisho_proxy.bundle.export import export_bundle
from sekisho_proxy.bundle.workshop import open_workshop, put_in_place
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.inspect.pool import Inspectors
from sekisho_proxy.quarantine import Quarantine
from sekisho_proxy.scanning import Scanning
from tests.wheels import make_wheel


@pytest.mark.parametrize("name", ["Everyone", "e" * 64, ".x", "a%20b", "a%0A", "%E4%BD%A0", "a%00", ""])
def test_a_workspace_that_is_no_name_is_not_there(house, approved, name):
    house.settle(house.approval(approved[0]))
    with house.open() as client:
        for rest in ("pypi/simple/", "pypi/simple/alpha/", f"pypi/files/{approved[0].path}", "denied/alpha-1.whl"):
            answer = client.get(f"/w/{name}/{rest}", headers={"accept": "*/*"})
            assert (answer.status_code, answer.json()["title"]) == (404, "there is no such workspace")
        assert client.get("/w/nobody-knows/pypi/simple/").status_code == 200


def test_two_lengths_close_the_connection(house):
    house.settle()
    with house.open() as client:
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=10) as wire:
            wire.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            said = b""
            while part := wire.recv(4096):
                said += part
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1


def test_a_head_is_bounded_and_so_are_connections(house, monkeypatch):
    monkeypatch.setattr("sekisho_proxy.service._MOST_CONNECTIONS", 4)
    house.settle()
    with house.open() as client:
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=10) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (20 << 10))
            assert wire.recv(4096).startswith(b"HTTP/1.1 400")
        held = [socket.create_connection(address) for _ in range(8)]
        assert client.get("/healthz").status_code == 200  # those that wait make room, the oldest first
        held[0].settimeout(10)
        assert held[0].recv(1) == b""
        for wire in held:
            wire.close()


@pytest.mark.parametrize(
    ("program", "word", "starts"),
    [
        ("import sys; sys.stdin.readline(); sys.exit(1)", "could not be inspected: ", 2),
        ("import time; time.sleep(600)", "could not be inspected in time: ", 1),
    ],
)
def test_a_file_that_stops_its_inspector_is_remembered(tmp_path, program, word, starts):
    wheel = make_wheel("x")
    mark = tmp_path / "starts"
    program = f"open({str(mark)!r}, 'a').write('x'); {program}"

    async def scenario():
        holdings = Holdings(tmp_path, lambda: None, None)
        holdings.quarantine.add([wheel.data], expected=wheel.sha256)
        inspectors = Inspectors(patience=2.0, command=(sys.executable, "-c", program))
        attesting = Attesting(holdings.provenances, inspectors, DiskCache(tmp_path / "attestations"), None)
        scanning = Scanning(None, DiskCache(tmp_path / "scans"), wait=0)
        facts = DiskCache(tmp_path / "facts")
        quarantine = Quarantine(holdings, inspectors, facts, "token", attesting=attesting, scanning=scanning)
        try:
            return [await quarantine.learn(wheel.artifact()) for _ in range(2)]
        finally:
            await quarantine.close()

    (facts, first), (again, second) = asyncio.run(scenario())
    assert (first, second, again) == (False, True, facts)
    assert [finding.code for finding in facts.findings] == ["archive_confusion"]
    assert facts.findings[0].detail.startswith(word)
    assert len(mark.read_text()) == starts


KILLED = """
import sys, time
from pathlib import Path
from sekisho_proxy.bundle.workshop import open_workshop
with open_workshop(Path(sys.argv[1])) as half:
    (half / "blob").write_text("half")
    print(half, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_export_left_is_swept_and_one_at_work_is_not(house, approved, tmp_path):
    house.settle(house.approval(approved[0]))
    place = tmp_path / "bundle"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(place)], stdout=subprocess.PIPE, text=True)
    half = Path(process.stdout.readline().strip())
    other = tmp_path / f".bundle.{'z' * 32}"
    other.mkdir()
    try:
        asyncio.run(export_bundle(house.settings, place))
        assert (half / "blob").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (half / "blob").exists()
    asyncio.run(export_bundle(house.settings, place))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == [other.name]
    assert json.loads((place / "manifest.json").read_text())


@pytest.mark.parametrize("can", [True, False])
def test_an_older_bundle_is_exchanged_or_steps_aside(tmp_path, monkeypatch, can):
    if not can:
        monkeypatch.setattr(workshop, "_exchange", lambda *_: False)
    place, old = tmp_path / "bundle", tmp_path / f".bundle.{uuid.uuid4().hex}.old"
    old.mkdir()
    for text in ("one", "two"):
        with open_workshop(place) as half:
            (half / "file").write_text(text)
            put_in_place(half, place)
        assert (place / "file").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_only_whole_bundle_is_not_swept_before_there_is_another(tmp_path):
    place, old = tmp_path / "bundle", tmp_path / f".bundle.{uuid.uuid4().hex}.old"
    old.mkdir()
    with open_workshop(place) as half:
        assert old.exists()
        put_in_place(half, place)
    assert not old.exists()
