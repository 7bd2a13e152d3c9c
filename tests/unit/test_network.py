import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.network import WHY, is_loopback

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = "192.0.2.1"  # RFC 5737: an address that belongs to nobody

ASK = f"""
import socket
from tests.network import block
block()
for what in (
    lambda: socket.create_connection(({OUTSIDE!r}, 9), 5),
    lambda: socket.create_connection(("2001:db8::1", 9), 5),
    lambda: socket.getaddrinfo("packages.invalid", 443),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ({OUTSIDE!r}, 9)),
):
    try:
        what()
    except OSError as error:
        print(error.strerror)
with socket.create_server(("127.0.0.1", 0)) as listener:
    socket.create_connection(listener.getsockname(), 5).close()
print("loopback works")
"""


@pytest.mark.skipif(os.environ.get("SEKISHO_NETWORK") is None, reason="run with tests/without-network.sh")
def test_the_network_is_cut():
    with pytest.raises(OSError, match=r"unreachable|blocked"):
        socket.create_connection((OUTSIDE, 9), 5)


def test_where_the_kernel_cannot_cut_the_network_sockets_are_blocked():
    done = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [WHY] * 4 + ["loopback works"]


@pytest.mark.parametrize("host", [None, "", "localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_allowed(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", [OUTSIDE, "0.0.0.0", "packages.invalid", "localhost.invalid", "10.0.0.1", b"x"])
def test_everything_else_is_not(host):
    assert not is_loopback(host)
