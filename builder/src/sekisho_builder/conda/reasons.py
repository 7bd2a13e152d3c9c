"""What the proxy says of a channel, where the solver only says that it could not read it, or found nothing."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sekisho.errors import CorruptError, SekishoError, UpstreamError
from sekisho_builder.proxy import Proxy

_READ = re.compile(r"for url \((?P<path>[\w.-]+/[\w-]+/[\w./-]+)\)", re.ASCII)
_NOTHING_OF = re.compile(r"No candidates were found for (?P<name>[\w.-]+)", re.ASCII)
_MOST_NAMES, _MOST_LINES = 5, 5


def why_unread(proxy: Proxy, said: str) -> SekishoError | None:
    """Return what the proxy says of the file of a channel that a solver names, unless it can be read by now."""
    found = _READ.search(said)
    if found:
        try:
            proxy.channel_file(found["path"])
        except SekishoError as error:
            leaf = CorruptError if isinstance(error, CorruptError) else UpstreamError
            return leaf(f"a channel cannot be read: {error.what}", where=error.where, todo=error.todo)
    return None


def why_missing(proxy: Proxy, said: str, channels: Sequence[str], platforms: Sequence[str]) -> list[str]:
    """Return in lines what channels list of the names of which a solver found nothing, and why it does not count."""
    names = dict.fromkeys(found["name"] for found in _NOTHING_OF.finditer(said))
    lines: list[str] = []
    for name in list(names)[:_MOST_NAMES]:
        for channel in channels:
            for platform in platforms:
                lines += _refused(proxy, channel, platform, name)
    more = len(lines) - _MOST_LINES
    return lines[:_MOST_LINES] + ([f"and {more} more of that kind"] if more > 0 else [])


def _refused(proxy: Proxy, channel: str, platform: str, name: str) -> Iterator[str]:
    with suppress(SekishoError):  # one that does not list the name
        for row in proxy.channel_refused(channel, platform, name):
            yield f"{channel} lists {row['what']}, which does not count: {row['why']}"
