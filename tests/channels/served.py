"""Serve a channel of real software on loopback, for who has none at hand: ``python -m tests.channels.served``.

It has what ``images/sklearn-conda`` asks for, made of PyPI's wheels and of the Python that runs this. It is for trying
things out: nobody but this machine has such packages.
"""

import argparse
import sys

import uvicorn

from tests.channels.channel import Channel
from tests.channels.cpython import python_package
from tests.channels.from_index import of_sklearn
from tests.channels.upstream import FakeChannels


def main() -> None:
    """Make what is not kept yet, say where the channel is, and serve until stopped."""
    parser = argparse.ArgumentParser(description="a channel of real software on loopback")
    parser.add_argument("--port", type=int, default=8474)
    port = parser.parse_args().port
    channel = Channel(of_sklearn())
    held = f"{len(channel.packages)} packages, Python {python_package().version}"
    sys.stdout.write(f"http://127.0.0.1:{port}/forge: {held}\n")
    sys.stdout.flush()
    app = FakeChannels(channels={"forge": channel})
    uvicorn.run(app, port=port, lifespan="off", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
