"""Content negotiation (RFC 9110 section 12) for pages, and conditional requests (section 13)."""

import re
from functools import lru_cache
from urllib.parse import parse_qs

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"
_OFFERED = (JSON, HTML, PLAIN_HTML)
_LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}
_WEIGHT = re.compile(r"[01](\.\d*)?", re.ASCII)
_CODINGS = ("zstd", "gzip")
"""Best first, where a client likes them as well."""


def _quality(parameters: list[str]) -> float:
    """Return a range's weight. One that is malformed is none: the range counts as not acceptable."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            return min(float(value), 1.0) if _WEIGHT.fullmatch(value := value.strip()) else 0.0
    return 1.0


def _weights(header: str) -> dict[str, float]:
    """Return the weight of each range; what is named twice counts by the higher one."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = part.split(";")
        name = name.strip().lower()
        if name:
            name = _LATEST.get(name, name)
            weights[name] = max(weights.get(name, 0.0), _quality(parameters))
    return weights


@lru_cache(maxsize=256)
def page_type(accept: str) -> str | None:
    """Return the media type to answer an index page with, or ``None`` for 406.

    PEP 691: whoever names the JSON form gets it by weight; whoever only says ``*/*``, or nothing, gets HTML.
    """
    ranges = _weights(accept) or {"*/*": 1.0}
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = None
    for rank, offered in enumerate(reversed(_OFFERED)):
        kind = offered.partition("/")[0]
        for level, name in ((2, offered), (1, f"{kind}/*"), (0, "*/*")):
            if name in ranges:
                key = (ranges[name], level, rank if level else -rank)
                if ranges[name] > 0 and key > best:
                    best, chosen = key, offered
                break
    return chosen


@lru_cache(maxsize=256)
def asked_type(query: str) -> str | None:
    """Return the media type that PEP 691's URL parameter ``format`` asks for, or ``None`` to go by ``Accept``."""
    try:
        wanted = parse_qs(query, max_num_fields=20).get("format", [""])[0]
    except ValueError:
        return None
    wanted = _LATEST.get(wanted, wanted)
    return wanted if wanted in _OFFERED else None


@lru_cache(maxsize=256)
def coding(accept_encoding: str) -> str | None:
    """Return the content coding to answer with, ``""`` for identity, or ``None`` for 406 (section 12.5.3).

    Identity is what is left unless it is named. ``*`` is taken for gzip, which every client knows.
    """
    weights = _weights(accept_encoding)
    others = weights.get("*")
    weights.setdefault("gzip", weights.get("x-gzip", others or 0.0))
    identity = weights.get("identity", 0.0 if others == 0.0 else None)
    best = max(_CODINGS, key=lambda name: weights.get(name, 0.0))
    weight = weights.get(best, 0.0)
    if weight > 0 and weight >= (identity or 0.0):
        return best
    return None if identity == 0.0 else ""


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` names ``etag`` (weak comparison, RFC 9110 section 13.1.2)."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
