"""Where the kernel cannot cut the network, this refuses every address but loopback, inside the process."""

import errno
import ipaddress
import sys

WHY = "blocked by the tests: only loopback is allowed"


def is_loopback(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def block() -> None:
    """Refuse, for the rest of this process, to connect to or look up anything else. Audit hooks cannot be removed."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        if isinstance(address, tuple) and not is_loopback(address[0]):
            raise OSError(errno.ENETUNREACH, WHY)
    if event == "socket.getaddrinfo" and not is_loopback(arguments[0]):
        raise OSError(errno.ENETUNREACH, WHY)
