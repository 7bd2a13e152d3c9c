"""What the figures are taken of: the channel, with shards and without, as it is and with one percent changed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.conda.synthetic import Change, builds, write_repodata, write_shards
from bench.place import BIN, MeasureError, Place, Say, bare_environment, free_port
from bench.processes import Server, Servers

SUBDIR = "linux-64"
SOURCE = "main"
_PATIENCE = 600


class Site(NamedTuple):
    """The channel's folders, served at ``url``: ``sharded`` and ``plain``; ``scale`` 1 is conda-forge's."""

    place: Place
    servers: Servers
    above: Server
    url: str
    records: int
    scale: float
    quick: bool
    say: Say

    def rounds(self, number: int) -> int:
        """Return how often to measure, which is once where things are only tried out."""
        return 1 if self.quick else number

    def turn(self, which: str) -> None:
        """Let the channels be the ``old`` ones or the ``new`` ones."""
        for kind in ("sharded", "plain"):
            link = self.place.work / "root" / kind
            link.unlink(missing_ok=True)
            link.symlink_to(self.place.work / which / kind)

    def once(self, what: str, **options: object) -> dict[str, float]:
        """Return what a process of its own measured, see ``bench.conda.once``."""
        command = [str(BIN / "python"), "-m", "bench.conda.once", what, msgspec.json.encode(options).decode()]
        ran = subprocess.run(
            command,
            env=bare_environment(self.place.work),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        lines = ran.stdout.strip().splitlines()
        if not lines:  # a status is no sign: py-rattler may crash while an interpreter ends
            raise MeasureError(f"{what}: {ran.stderr.strip().splitlines()[-1:] or ran.returncode}")
        return msgspec.json.decode(lines[-1], type=dict[str, float])


@contextmanager
def open_site(place: Place, say: Say, *, quick: bool) -> Iterator[Site]:
    """Make the channel, serve it, and end what was started when the context is left."""
    scale = 0.05 if quick else 1.0
    say("making the channel")
    records = _make(place.work, scale)
    (place.work / "root").mkdir()
    port, servers = free_port(), Servers()
    try:
        command = [sys.executable, "-m", "bench.conda.serving", str(place.work / "root"), str(port)]
        environment = bare_environment(place.work, PYTHONPATH=str(Path(__file__).parents[2]))
        above = servers.start("channel", command, environment, place.work / "channel")
        site = Site(place, servers, above, f"http://127.0.0.1:{port}", records, scale, quick, say)
        site.turn("old")
        above.wait_for(f"{site.url}/plain/noarch/repodata.json")
        yield site
    finally:
        servers.stop_all()


def _make(work: Path, scale: float) -> int:
    """Write both states of both channels; return how many records the first has."""
    records = 0
    for which in ("old", "new"):
        change = Change(max(1, int(6340 * scale)) if which == "new" else 0)
        made = list(builds(scale, change))
        records = records or sum(len(one.old) + len(one.new) for one in made)
        write_repodata(work / which / "plain" / SUBDIR, made)
        write_shards(work / which / "sharded" / SUBDIR, made)
        for kind in ("plain", "sharded"):
            folder = work / which / kind / "noarch"
            folder.mkdir()
            (folder / "repodata.json").write_text('{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{}}')
    return records
