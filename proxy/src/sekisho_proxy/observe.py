"""What can be seen of the proxy from outside: an id for each request, counts and durations, and a line in the log.

No name of a package, file or person is ever a label: those come from anybody, and each label costs memory for ever.
"""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from sekisho.logs import request_id
from sekisho.model.conda import ENDINGS
from sekisho_proxy.exchange import Reply, Request, not_allowed
from sekisho_proxy.follow import Held

_LOG = logging.getLogger("sekisho.proxy.requests")
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_OTHERS = frozenset({"candidates", "quarantine", "healthz", "readyz", "metrics", "api", "openapi.json"})
_METHODS = frozenset({"GET", "HEAD", "POST"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Policy:
    """What the policy in force is, read when somebody looks."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def collect(self) -> Iterable[Metric]:
        held = self._held
        sequence = held.snapshot.sequence if held.snapshot else 0
        yield GaugeMetricFamily("sekisho_policy_sequence", "Sequence of the policy snapshot in force.", sequence)
        stale = float(held.unreachable is not None or held.refused is not None)
        yield GaugeMetricFamily("sekisho_policy_stale", "1 while a newer policy may exist and is not in force.", stale)


class Observer:
    """Counts what is answered, and tells it to ``/metrics`` and the log."""

    def __init__(self, held: Held) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Policy(held))
        names = ("route", "method", "status")
        self._requests = Counter("sekisho_requests", "Requests that were answered.", names, registry=self._registry)
        self._seconds = Histogram(
            "sekisho_request_seconds",
            "Seconds until the last byte was handed to the network.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def name(self, request: Request) -> bytes:
        """Return the request's id, the client's own if that can be logged; log lines bear it from now on."""
        given = request.headers.get(b"x-request-id", b"")
        known = given if _ID.fullmatch(given) else f"{self._prefix}-{next(self._numbers):x}".encode()
        request_id.set(known.decode())
        return known

    def saw(self, request: Request, reply: Reply, began: float) -> None:
        """Count an answer; ``began`` is of ``time.perf_counter``."""
        route = route_of(request.path)
        method = request.method if request.method in _METHODS else "other"
        seconds = time.perf_counter() - began
        key = route, method, reply.status
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(route, method, str(reply.status))
            self._histograms[route] = self._seconds.labels(route)
        counter.inc()
        self._histograms[route].observe(seconds)
        if _LOG.isEnabledFor(logging.INFO):
            extra = {"route": route, "status": reply.status, "seconds": round(seconds, 6)}
            _LOG.info("%s %s", request.method, request.path, extra=extra)

    async def __call__(self, request: Request) -> Reply:
        """Answer ``/metrics`` in Prometheus' text format."""
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        return Reply(200, ((b"content-type", CONTENT_TYPE),), generate_latest(self._registry))


def route_of(path: str) -> str:
    """Return the kind of address that ``path`` is: one of a few words."""
    first, _, rest = path[1:].partition("/")
    if first == "w":
        if "/pypi/" in rest and rest.rstrip("/").endswith("/json"):
            return "json"
        if "/pypi/simple" in rest:
            return "page"
        if "/pypi/files/" in rest:
            return next((beside for beside in ("metadata", "provenance") if rest.endswith(f".{beside}")), "file")
        if "/conda/" in rest:
            return _channel_route(rest.rpartition("/")[2])
        return "denied" if "/denied/" in rest else "other"
    return first if first in _OTHERS else "other"


def _channel_route(name: str) -> str:
    if name.endswith(ENDINGS):
        return "package"
    if name.endswith(".msgpack.zst"):
        return "shards" if name.startswith("repodata_shards") else "shard"
    return "channel"
