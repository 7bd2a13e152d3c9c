"""Which addresses a source's host may have, looked at when the connection stands and before a byte is sent.

A name of a public source that leads to a private address, by a changed DNS answer or by mistake, would make the proxy
ask a service of its own network. An address that is written as such in ``sources.yaml`` was reviewed there.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from sekisho.errors import UpstreamError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Watch = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""httpcore's trace hook: the name of an event, and what is known of it."""

_CARRIES_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))  # RFC 6052, RFC 4291
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "168.63.129.16/32",
            "::/128",
            "fe80::/10",
            "ff00::/8",
        ),
    )
)
"""Of one link, of many hosts or of nobody; and Azure's host agent, which every virtual machine there reaches."""
_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
         "198.18.0.0/15", "::1/128", "fc00::/7", "fec0::/10"),
    )
)  # fmt: skip
"""What a network gives to its own hosts. Those of examples (RFC 5737) are nobody's: a gateway may answer there."""


def watch_address(url: str, source: str, *, private: bool) -> Watch:
    """Return a hook that breaks off a new connection to an address that ``source`` may not have.

    Nothing is looked at where the URL names an address itself, or where a proxy of the environment connects for us.
    """
    name = httpx2.URL(url).raw_host.decode()
    asked = ""

    async def watch(event: str, told: Mapping[str, Any]) -> None:
        nonlocal asked
        if event == "connection.connect_tcp.started":
            asked = str(told["host"])
        elif event == "connection.connect_tcp.complete" and asked == name and not _is_written(name):
            stream = told["return_value"]
            found = stream.get_extra_info("server_addr")[0]
            if refuses(found, private=private):
                await stream.aclose()
                raise UpstreamError(
                    f"source {source!r} is not asked: {name} has the address {found}",
                    where=urlsplit(url).path,
                    todo="if it is inside your own network, declare the source `private: true` in sources.yaml",
                )

    return watch


def _is_written(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def refuses(text: str, *, private: bool) -> bool:
    """Tell whether an address is out of bounds: a network's own host, and for a private source one of a link."""
    found: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if any(found in network for network in _CARRIES_IPV4) and int(found) & 0xFFFFFFFF > 1:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return any(found in network for network in (_NEVER if private else (*_NEVER, *_INSIDE)))
