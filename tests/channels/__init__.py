"""Real conda packages, whole channels of them, and a channel to ask: what tests of the conda side stand on.

``make_package`` makes a package's bytes from a frozen description, ``python_package`` a real CPython, ``installed`` what is
installed beside this Python. ``Channel`` is what a channel says of its packages, in every representation; ``FakeChannels``
serves channels and logs who asked for what; ``Rattler`` is an unmodified client, in a process of its own.
"""

from tests.channels.channel import Channel, zst
from tests.channels.cpython import python_package
from tests.channels.distributions import installed
from tests.channels.packages import Link, Package, make_package
from tests.channels.rattler import Rattler, RattlerError, Solved
from tests.channels.upstream import Asked, FakeChannels

__all__ = [
    "Asked",
    "Channel",
    "FakeChannels",
    "Link",
    "Package",
    "Rattler",
    "RattlerError",
    "Solved",
    "installed",
    "make_package",
    "python_package",
    "zst",
]
