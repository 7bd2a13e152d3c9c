"""Requests by chance: every byte route, from every client's habits to an attacker's."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.stateful.model import WORKSPACES
from tests.stateful.pool import POOL, PROJECTS
from tests.stateful.spellings import SPELLINGS

JSON = "application/vnd.pypi.simple.v1+json"
DOORS = st.sampled_from([*WORKSPACES, "everyone", "team-a", "nobody-knows", "Everyone", "team-a%00"])
AGES = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.sampled_from(["revision"] * 3 + ["short", "moment", "moment", "before", "day"]), st.integers(1, 6)),
)
"""No address, or one of the n-th snapshot from the newest."""

KEYS = st.sampled_from(sorted(POOL))
ROUTES = st.one_of(
    KEYS.map(lambda key: ("file", key)),
    KEYS.map(lambda key: ("metadata", key)),
    KEYS.map(lambda key: ("provenance", key)),
    st.sampled_from([*PROJECTS, "nobody-made-this"]).map(lambda name: ("page", name)),
    st.sampled_from(["Alpha", "a.l.p.h.a", "BETA", "in_house", "GAMMA", "al/pha", "alpha-", "x" * 300]).map(
        lambda name: ("page", name)
    ),
    st.just(("projects", "")),
    st.sampled_from(PROJECTS).map(lambda name: ("tombstone", name)),
    st.sampled_from(PROJECTS).map(lambda name: ("json", name)),
    st.sampled_from(["alpha/1.0", "alpha/9.9", "beta/2.0+cpu", "ghost/1.0"]).map(lambda name: ("json", name)),
    st.sampled_from(
        [
            "",
            "pypi",
            "pypi/files",
            "pypi/files/",
            "..",
            "pypi/blobs/",
            "pypi/quarantine/",
            "@",
            "@/x",
            "@../pypi/simple/",
        ]
    ).map(lambda rest: ("rest", rest)),
)
SPELLED = st.lists(st.sampled_from(["plain", *SPELLINGS]), max_size=2).map(tuple)
METHODS = st.sampled_from(["GET"] * 12 + ["HEAD"] * 4 + ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"])

_RANGES = ["bytes=0-0", "bytes=0-", "bytes=-9", "bytes=5-9", "bytes=30-60", "bytes=9-5", "bytes=999999999-", "bytes=-0"]
_RANGES += ["bytes=0-1,3-4", "bytes=a-b", "items=0-1", "bytes=-", "bytes=0-99999999999"]
_ACCEPTS = [JSON, "text/html", "*/*", "application/vnd.pypi.simple.v1+html", "image/png", f"{JSON};q=0.1, text/html"]
_ENCODINGS = ["gzip", "identity", "gzip;q=0", "*", "br", "gzip, deflate", "zstd", "zstd, gzip;q=0.5", "identity;q=0"]
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(_RANGES).map(lambda value: ("range", value)),
        st.sampled_from(["{etag}", '"0"', "Wed, 21 Oct 2026 07:28:00 GMT", "W/{etag}"]).map(
            lambda value: ("if-range", value)
        ),
        st.sampled_from(["{etag}", "W/{etag}", "*", '"0"', '"x", {etag}']).map(lambda value: ("if-none-match", value)),
        st.sampled_from(_ACCEPTS).map(lambda value: ("accept", value)),
        st.sampled_from(_ENCODINGS).map(lambda value: ("accept-encoding", value)),
        st.sampled_from(["inside.test", "outside.test", "door.test:1", "team-b", ""]).map(
            lambda value: ("host", value)
        ),
        st.sampled_from(["x-original-url", "x-rewrite-url", "x-forwarded-prefix", "x-forwarded-host", "referer"]).map(
            lambda name: (name, "/w/team-b/pypi/simple/")
        ),
        st.sampled_from(["Bearer {token}", "Basic Og==", "Bearer x"]).map(lambda value: ("authorization", value)),
        st.sampled_from(["DELETE", "GET"]).map(lambda value: ("x-http-method-override", value)),
        st.sampled_from(["1", "0, 1"]).map(lambda value: ("content-length", value)),
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(tuple)
SIDE_PATHS = st.sampled_from(
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/policy",
        "/api/demand",
        "/quarantine",
        "/quarantine/",
        "/blobs",
        "/",
        "*",
        "/candidates",
        "/w",
        "/w/",
        "/candidates/simple/",
        "/candidates/../w/team-a/pypi/simple/",
        "/candidates/files/inside/x.whl",
        "//w/team-a/",
        "/candidates/artifacts/alpha/1.0",
        "/candidates/artifacts/alpha",
        "/candidates/simple/alpha/x",
        "/data/proxy/blobs/",
        "/.well-known/x",
    ],
)


def address_at(line, age) -> str:
    """Return what stands in an address for an age of ``AGES``: how many turns of the policy's ``line`` back, and how."""
    if age is None:
        return ""
    kind, back = age
    turn = line[max(len(line) - back, 0) % len(line)]
    moment = turn.made if kind == "moment" else turn.made - timedelta(microseconds=1)
    stamp = moment.isoformat().replace("+00:00", "Z")
    shown = {"revision": turn.revision, "short": turn.revision[:8], "day": f"{turn.made:%Y-%m-%d}"}
    return f"@{shown.get(kind, stamp)}/"
