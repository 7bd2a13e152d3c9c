"""Where a channel says that its packages and shards are (CEP 15, 16), and whether its source may be read from there.

It decides where bytes are fetched, and nothing else: they are held to the sha256 of their record, and a client is told
no address but the door's. So it is what the channel says now, not what it said when a file was approved.
"""

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from sekisho.errors import SekishoError
from sekisho_proxy.conda.stated import Refused
from sekisho_proxy.upstream.place import Place

_ADDRESS = re.compile(r"[!-~]{1,500}")
_BESIDE = ("", ".", "./")


class Elsewhere(NamedTuple):
    """``base`` ends with a slash, and is empty where files are beside the index; ``refused`` is one not followed."""

    base: str = ""
    refused: Refused | None = None


def elsewhere(key: str, stated: object, *, beside: str, place: Place) -> Elsewhere:
    """Read what an index states under ``key``; an address that is relative is so to ``beside``, its own folder.

    It is followed to hosts of the source alone, as a redirect is. What is refused is not repeated: it may hold a login.
    """
    if stated is None or stated in _BESIDE:
        return Elsewhere()
    try:
        base, why = _read(stated, beside, place)
    except ValueError:
        base, why = "", "it is no address"
    if why:
        return Elsewhere(refused=Refused(f"info.{key}", why))
    return Elsewhere("" if base == beside else base)


def _read(stated: object, beside: str, place: Place) -> tuple[str, str]:
    """Return the address of the folder, or why there is none; raise ``ValueError`` for what is no URL."""
    if not isinstance(stated, str) or not _ADDRESS.fullmatch(stated) or "\\" in stated:
        return "", "it is no address"
    if "?" in stated or "#" in stated:
        return "", "no file's name can follow an address with a query or a fragment"
    base = urljoin(beside, stated.rstrip("/") + "/")
    parts = urlsplit(base)
    if "@" in parts.netloc:
        return "", "an address with a login in it is not followed"
    if parts.scheme == "http" and place.index.startswith("https:"):
        return "", f"{parts.hostname} is not asked over plain http by a source of https"
    try:
        return place.admit(base), ""
    except SekishoError as error:
        return "", f"{error.what}; {error.todo}"
