"""Channels that people name, and the sources that they are. Pure.

A channel is called by its source's id. A file that was made elsewhere may call it by its address, or by the last part
of that, as conda does.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from sekisho.bare import bare
from sekisho.errors import BadInputError
from sekisho.model import MatchSpec, Request
from sekisho.sources import Source
from sekisho.wanted import Wanted

_DOOR = re.compile(r"(?:/t/[^/]+)?/w/[^/]+(?:/@[^/]+)?/conda/(?P<id>[a-z0-9][a-z0-9._-]*)", re.ASCII)
_TOKEN = re.compile(r"/t/[^/]+", re.ASCII)


def channels_of(sources: Iterable[Source]) -> dict[str, str]:
    """Return the address of each source of kind ``conda``, by its id, in their order."""
    return {source.id: source.url or "" for source in sources if source.kind == "conda"}


def find_channel(text: str, known: dict[str, str], *, where: str) -> str:
    """Return the id of the source that a channel is.

    ``text`` is an id, an address with or without a subdir, the last part of one, or an address of a door. Raises
    ``BadInputError`` for what no source declares, and for what could be two.
    """
    name = _without_subdir(text.strip().rstrip("/"))
    if name in known:
        return name
    if "://" in name:
        path = urlsplit(name).path.rstrip("/")
        if (door := _DOOR.fullmatch(path)) and door["id"] in known:
            return door["id"]
        found = [ident for ident, url in known.items() if _bare(url) == _bare(name)]
    else:
        found = [ident for ident, url in known.items() if _bare(url).rpartition("/")[2] == name.lower()]
    if len(found) == 1:
        return found[0]
    declared = ", ".join(known) or "none"
    if found:
        raise BadInputError(
            f"channel {bare(text)[:120]!r} may be {' or '.join(found)}", where=where, todo="write the id of a source"
        )
    raise BadInputError(
        f"no source declares the channel {bare(text)[:120]!r}",
        where=where,
        todo=f"name one that is declared ({declared}), or have it added (docs/how-to/sources.md)",
    )


def settle(wanted: Wanted, known: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return match specs and channels as a request has them, with the ids of sources.

    Raises ``BadInputError`` naming file and line for a channel that no source is.
    """
    channels = dict.fromkeys(find_channel(row.text, known, where=row.where) for row in wanted.channels)
    specs: dict[str, None] = {}
    for row in wanted.conda:
        place, _, rest = row.text.rpartition("::")
        specs[f"{find_channel(place, known, where=row.where)}::{rest}" if place else rest] = None
    return list(specs), list(channels)


def check_channels(request: Request, sources: Iterable[Source]) -> None:
    """Raise ``BadInputError`` for a request of match specs that names a channel which no source is."""
    known = channels_of(sources)
    if request.conda and not known:
        raise BadInputError(
            "no source is a channel, so no conda package can be had here",
            where="conda",
            todo="have a source of kind conda added (docs/how-to/channels.md), or ask for packages of an index",
        )
    if request.channels and not request.conda:
        raise BadInputError("channels are named, and no package of them", where="channels", todo="leave them out")
    named = (MatchSpec.parse(text).channel for text in request.conda)
    for name in (*request.channels, *filter(None, named)):
        if name not in known:
            find_channel(name, dict.fromkeys(known, ""), where="channels")


def _without_subdir(text: str) -> str:
    start, slash, last = text.rpartition("/")
    return start if slash and (last == "noarch" or re.fullmatch(r"(?:linux|osx|win)-[a-z0-9]+", last)) else text


def _bare(url: str) -> str:
    """Return an address without its scheme, a token in it, or a slash at its end."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{host}{_TOKEN.sub('', parts.path).rstrip('/')}"
