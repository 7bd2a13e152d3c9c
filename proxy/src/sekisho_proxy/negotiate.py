"""Content negotiation (RFC 9110 section 12) for index pages, and conditional requests (section 13)."""

from functools import lru_cache

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"
_OFFERED = (JSON, HTML, PLAIN_HTML)
_LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = part.split(";")
        if name.strip():
            weights[name.strip().lower()] = _quality(parameters)
    return weights


@lru_cache(maxsize=256)
def page_type(accept: str) -> str | None:
    """Return the media type to answer an index page with, or ``None`` for 406.

    PEP 691: whoever names the JSON form gets it by weight; whoever only says ``*/*``, or nothing, gets HTML.
    """
    ranges = {_LATEST.get(name, name): weight for name, weight in _weights(accept or "*/*").items()}
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = None
    for rank, offered in enumerate(reversed(_OFFERED)):
        kind = offered.partition("/")[0]
        for level, name in ((2, offered), (1, f"{kind}/*"), (0, "*/*")):
            if name in ranges:
                key = (ranges[name], level, rank if level == 2 else -rank)
                if ranges[name] > 0 and key > best:
                    best, chosen = key, offered
                break
    return chosen


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Tell whether gzip is acceptable and not less welcome than identity."""
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` names ``etag`` (weak comparison, RFC 9110 section 13.1.2)."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
