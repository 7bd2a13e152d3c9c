"""What the proxy answers, as one table: ``/openapi.json`` and docs/reference/api.md are made from it."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

Who = Literal["anybody", "a room of Sekisho"]

PROBLEM = "application/problem+json"
JSON = "application/json"
_TEXT = "text/plain"
_ZSTD = "application/zstd"
BYTES = "application/octet-stream"
_PROVENANCE = "application/vnd.pypi.integrity.v1+json"
_PAGE = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html", "text/html")

Answers = dict[int, tuple[str, ...]]
"""Media types by status; a status without any has no body."""

_ALWAYS: Answers = {400: (PROBLEM, _TEXT), 405: (_TEXT,)}
_POLICY: Answers = {**_ALWAYS, 503: (PROBLEM,)}
_DOOR: Answers = {**_POLICY, 404: (PROBLEM,)}
_FROZEN: Answers = {404: (PROBLEM,), 409: (PROBLEM,)}
_SOURCE: Answers = {**_DOOR, 502: (PROBLEM,), 507: (PROBLEM,)}
_CONDITIONAL: Answers = {304: (), 406: (_TEXT,)}
_SERVICE: Answers = {401: (PROBLEM,)}


class Route(NamedTuple):
    """One address. ``path`` has parameters in braces; ``{path}`` may hold slashes, the others hold none."""

    path: str
    says: str
    answers: Answers
    who: Who = "anybody"
    methods: tuple[str, ...] = ("GET", "HEAD")
    body: str = ""


_DOOR_ROUTES = (
    Route(
        "pypi/simple/",
        "The projects of which something may be had (PEP 503, 691).",
        {200: _PAGE, **_CONDITIONAL, **_DOOR},
    ),
    Route("pypi/simple", "The same, at its right address.", {308: (), **_DOOR}),
    Route(
        "pypi/simple/{project}/",
        "The files of a project that may be had; tombstones that say why the others may not."
        " Header `sekisho-mode` where the workspace does not enforce: then its source is asked, and may fail.",
        {200: _PAGE, **_CONDITIONAL, **_DOOR, **_SOURCE},
    ),
    Route("pypi/simple/{project}", "The same, at its right address.", {308: (), **_DOOR}),
    Route(
        "pypi/files/{path}",
        "An approved file, or part of it. A refusal names the rule and where to ask.",
        {200: (BYTES,), 206: (BYTES,), 304: (), 403: (PROBLEM,), 416: (), **_SOURCE},
    ),
    Route(
        "pypi/files/{path}.metadata",
        "The METADATA of an approved wheel (PEP 658).",
        {200: (BYTES,), 304: (), 403: (PROBLEM,), **_SOURCE},
    ),
    Route(
        "pypi/files/{path}.provenance",
        "The attestations of an approved file (PEP 740), as its source gives them.",
        {200: (_PROVENANCE,), 304: (), 403: (PROBLEM,), **_SOURCE},
    ),
    *(
        Route(
            f"pypi/{place}{{project}}{release}/json",
            "The same, where some clients look for it." if place else "The legacy JSON API, over what may be had.",
            {200: (JSON,), **_CONDITIONAL, 403: (PROBLEM,), **_DOOR, **_SOURCE},
        )
        for place in ("", "pypi/", "simple/pypi/")
        for release in ("", "/{release}")
    ),
    Route(
        "conda/{source}/{subdir}/{name}.msgpack.zst",
        "A channel's names of which something may be had (`repodata_shards`), or the records of one (CEP 16).",
        {200: (_ZSTD,), 304: (), **_DOOR},
    ),
    Route(
        "conda/{source}/{subdir}/{index}.json",
        "What may be had of a channel: `repodata` and `current_repodata` (CEP 36), `run_exports` (CEP 12).",
        {200: (JSON,), **_CONDITIONAL, 406: (_TEXT, PROBLEM), **_DOOR},
    ),
    Route(
        "conda/{source}/{subdir}/{index}.json.zst",
        "The same, packed.",
        {200: (_ZSTD,), 304: (), **_DOOR},
    ),
    Route(
        "conda/{source}/channeldata.json",
        "What may be had of a channel, by name (CEP 38).",
        {200: (JSON,), **_CONDITIONAL, **_DOOR},
    ),
    Route(
        "conda/{source}/{path}",
        "An approved package of a channel, or part of it. A refusal names the rule and where to ask.",
        {200: (BYTES,), 206: (BYTES,), 304: (), 403: (PROBLEM,), 416: (), **_SOURCE},
    ),
    Route("denied/{path}", "What a tombstone links to: the refusal, never a file.", {403: (PROBLEM,), **_DOOR}),
)

_NOW, _THEN = "/w/{workspace}/", "/w/{workspace}/@{address}/"
_WITH_TOKEN = "/t/{token}/w/{workspace}/"  # noqa: S105 (a template)

ROUTES: tuple[Route, ...] = (
    *(route._replace(path=_NOW + route.path) for route in _DOOR_ROUTES),
    *(route._replace(path=_THEN + route.path, answers={**route.answers, **_FROZEN}) for route in _DOOR_ROUTES),
    *(route._replace(path=_WITH_TOKEN + route.path) for route in _DOOR_ROUTES if route.path.startswith("conda/")),
    Route("/healthz", "Whether the process is alive.", {200: (JSON,), **_ALWAYS}),
    Route("/readyz", "Whether there is a policy to serve by.", {200: (JSON,), **_POLICY}),
    Route("/metrics", "Counts and durations, for Prometheus.", {200: (_TEXT,), **_ALWAYS}),
    Route("/openapi.json", "This table as an OpenAPI 3.1 document.", {200: (JSON,), **_ALWAYS}),
    Route("/api/policy", "Which policy is in force, and whether there may be a newer one.", {200: (JSON,), **_POLICY}),
    Route(
        "/api/demand",
        "What was refused here and has not gone to a portal.",
        {200: (JSON,), **_ALWAYS, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/simple/{project}/",
        "The files of a project that no rule denies, for a resolver.",
        {200: _PAGE, **_CONDITIONAL, **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/simple/{project}",
        "The same, at its right address.",
        {308: (), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/sources/{python}/{glibc}/{arch}/simple/{project}/",
        "The same, with source standing in where a release has no wheel for a target.",
        {200: _PAGE, **_CONDITIONAL, **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/sources/{python}/{glibc}/{arch}/simple/{project}",
        "The same, at its right address.",
        {308: (), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/artifacts/{project}",
        "The files of all releases as records.",
        {200: (JSON,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/artifacts/{project}/{release}",
        "The files of a release as records.",
        {200: (JSON,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/files/{source}/{path}.metadata",
        "The METADATA of a wheel that no rule denies, or what source says of itself.",
        {200: (BYTES,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/files/{source}/{path}",
        "Always a refusal: the mount has no files.",
        {403: (PROBLEM,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/conda/{source}/{subdir}/{name}.msgpack.zst",
        "A channel's names that no rule denies (`repodata_shards`, CEP 16), or the records of one of them.",
        {200: (BYTES,), 304: (), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    *(
        Route(
            f"/candidates/conda/{{source}}/{{subdir}}/{name}",
            "The same in one file (CEP 36), of a channel of few names.",
            {200: (BYTES,), 304: (), **_SOURCE, **_SERVICE},
            "a room of Sekisho",
        )
        for name in ("repodata.json", "repodata.json.zst")
    ),
    Route(
        "/candidates/conda/{source}/{subdir}/artifacts/{project}",
        "The files of a channel's package as records.",
        {200: (JSON,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/conda/{source}/{subdir}/refused",
        "What a channel says besides, and is passed on to nobody, each with the reason.",
        {200: (JSON,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/conda/{source}/{subdir}/refused/{project}",
        "The same of one package: records that cannot be read, keys that nobody knows.",
        {200: (JSON,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/candidates/conda/{source}/{path}",
        "Always a refusal: the mount has no files.",
        {403: (PROBLEM,), **_SOURCE, **_SERVICE},
        "a room of Sekisho",
    ),
    Route(
        "/quarantine",
        "Fetch and inspect candidates: a line of JSON for each, as it is done. A replica has no such thing.",
        {200: ("application/x-ndjson",), 404: (PROBLEM,), **_ALWAYS, **_SERVICE},
        "a room of Sekisho",
        ("POST",),
        "Intake",
    ),
    Route(
        "/quarantine/{sha256}",
        "Take in a wheel that the runner built, as a candidate like any other.",
        {201: (JSON,), 404: (PROBLEM,), 507: (PROBLEM,), **_ALWAYS, **_SERVICE},
        "a room of Sekisho",
        ("PUT",),
        BYTES,
    ),
)


def routes_of(path: str) -> Iterator[Route]:
    """Yield every row that a (percent-decoded) path is an example of."""
    for route in ROUTES:
        if _pattern(route.path).fullmatch(path):
            yield route


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template)
    empty = {"{path}": ".*", "{address}": "[^/]*"}  # what refuses an empty one itself
    ends = [empty.get(part) or ("[^/]+" if part.startswith("{") else re.escape(part)) for part in parts]
    slash = "/?" if template.endswith("/json") else ""
    return re.compile("".join(ends) + slash, re.DOTALL)
