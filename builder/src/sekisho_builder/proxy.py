"""The builder's only way to packages: the proxy."""

import json
import socket
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from sekisho.client import raise_for_problem
from sekisho.errors import SekishoError, UpstreamError, from_diagnostics
from sekisho.model import Artifact, Facts, Target, sha256_hex
from sekisho.store import BlobStore, chunks
from sekisho.tls import verify_for

_AT_ONCE = 8
_FOLLOWS = 30.0
"""Seconds that a proxy may take to hear of a policy; it is told by a long poll."""


class ProxySilentError(UpstreamError):
    """No proxy answers: it is down, or being started again."""


class Proxy:
    """Speaks to one proxy with the service token, directly: no proxy of this machine's environment is asked.

    Where no proxy answers, every method raises ``ProxySilentError``.
    """

    def __init__(self, url: str, token: str, *, ca: Path | None = None) -> None:
        self.url = url
        self.ca = ca
        self._token = token
        limits = httpx2.Limits(max_connections=2 * _AT_ONCE, max_keepalive_connections=2 * _AT_ONCE)
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(600.0, connect=10.0),
            limits=limits,
            trust_env=False,
            verify=verify_for(url, ca),
            event_hooks={"request": [self._watch]},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def cut(self) -> None:
        """Break every connection off: whoever waits for an answer in another thread fails at once."""
        for connection in list(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _watch(self, request: httpx2.Request) -> None:
        request.extensions = {**request.extensions, "trace": self._heard}

    def _heard(self, event: str, told: dict[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._sockets.add(told["return_value"].get_extra_info("socket"))

    def answers(self) -> None:
        """Raise ``ProxySilentError`` unless the proxy is there."""
        self._get("/healthz")

    def index_url(self, sources_for: Target | None = None) -> str:
        """Return the candidate mount's address with the token in it, for a resolver's environment.

        With ``sources_for`` source stands in for wheels that a release has not for that target.
        """
        parts, target = urlsplit(self.url), sources_for
        where = f"sources/{target.python}/{target.glibc}/{target.arch}/simple" if target else "simple"
        return f"{parts.scheme}://__token__:{quote(self._token, safe='')}@{parts.netloc}/candidates/{where}/"

    @property
    def token(self) -> str:
        """Return the service token, for a solver that reads channels itself."""
        return self._token

    def channel_url(self, channel: str) -> str:
        """Return where the candidate mount has a channel, without the token."""
        return f"{self.url.rstrip('/')}/candidates/conda/{channel}"

    def channel_artifacts(self, channel: str, subdir: str, name: str) -> tuple[Artifact, ...]:
        """Return every file of a name in a channel's subdir that the policy does not deny outright."""
        rows = self._get(f"/candidates/conda/{channel}/{subdir}/artifacts/{quote(name, safe='')}").json()
        return tuple(Artifact.parse(row, where=f"{self.url}, artifacts of {channel}::{name}") for row in rows)

    def channel_refused(self, channel: str, subdir: str, name: str) -> list[dict[str, str]]:
        """Return ``what`` a channel lists of a name in a subdir that does not count, and ``why``."""
        rows = self._get(f"/candidates/conda/{channel}/{subdir}/refused/{quote(name, safe='')}").json()
        return [{"what": str(row["what"]), "why": str(row["why"])} for row in rows]

    def channel_file(self, path: str) -> bytes:
        """Return what the candidate mount has at ``<channel>/<subdir>/<file>``; raise the proxy's own error."""
        return self._get(f"/candidates/conda/{path}").content

    def _get(self, path: str) -> httpx2.Response:
        try:
            response = self._http.get(path)
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        raise_for_problem(response, service="the proxy")
        return response

    def _silent(self, error: httpx2.TransportError) -> ProxySilentError:
        return ProxySilentError(
            f"the proxy does not answer: {error}", where=self.url, todo="start it with `sekisho up`"
        )

    def follow(self, sequence: int) -> None:
        """Wait until the proxy serves by policy snapshot ``sequence``: what was just approved is to be had then."""
        end = time.monotonic() + _FOLLOWS
        while (held := int(self._get("/api/policy").json()["sequence"])) < sequence:
            if time.monotonic() > end:
                raise UpstreamError(
                    f"the proxy serves by policy snapshot {held}, and {sequence} is in force",
                    where=self.url,
                    todo="see in the proxy's log why it does not follow the portal",
                )
            time.sleep(0.05)

    def artifacts(self, project: str, release: str | None = None) -> tuple[Artifact, ...]:
        """Return every file of a release, or of all, that the policy does not deny outright."""
        which = f"/{quote(release, safe='')}" if release else ""
        rows = self._get(f"/candidates/artifacts/{project}{which}").json()
        return tuple(Artifact.parse(row, where=f"{self.url}, artifacts of {project}") for row in rows)

    def with_metadata(self, artifact: Artifact) -> Artifact:
        """Return the artifact with the sha256 of the METADATA that the resolver saw (PEP 658's ``core-metadata``).

        Source has none, and what was built here states its own.
        """
        if artifact.build_only or artifact.built:
            return artifact
        path = quote(artifact.path, safe="/")
        metadata = self._get(f"/candidates/files/{artifact.source}/{path}.metadata").content
        return artifact.model_copy(update={"index": {**artifact.index, "core-metadata": sha256_hex(metadata)}})

    def take_in(self, path: Path, sha256: str) -> None:
        """Bring a wheel that was built here into the proxy's quarantine."""
        try:
            response = self._http.put(f"/quarantine/{sha256}", content=chunks(path))
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        raise_for_problem(response, service="the proxy")

    def inspect(self, artifacts: Sequence[Artifact], told: Callable[[int, int], None]) -> tuple[list[Facts], int]:
        """Have the artifacts fetched into quarantine and inspected; return (facts, how many were known already).

        ``told`` hears (done, total). Raises the first problem once every artifact was tried.
        """
        body = {"artifacts": [artifact.plain() for artifact in artifacts]}
        facts: list[Facts] = []
        problems: list[SekishoError] = []
        known = 0
        try:
            with self._http.stream("POST", "/quarantine", json=body) as response:
                if response.is_error:
                    response.read()
                raise_for_problem(response, service="the proxy")
                for line in response.iter_lines():
                    row = json.loads(line)
                    if "facts" in row:
                        facts.append(Facts.parse(row["facts"], where=f"{self.url}, inspection"))
                        known += bool(row.get("cached"))
                    else:
                        problems.append(from_diagnostics(row["problem"]))
                    told(len(facts) + len(problems), len(artifacts))
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        if problems:
            raise problems[0]
        if len(facts) != len(artifacts):
            raise UpstreamError("the proxy stopped in the middle of an inspection", where=self.url, todo="try again")
        return facts, known

    def fetch(
        self, artifacts: Iterable[Artifact], workspace: str, store: BlobStore, told: Callable[[int, int], None]
    ) -> int:
        """Bring approved artifacts into ``store`` through the workspace's door; return how many were not there yet."""
        wanted = [artifact for artifact in artifacts if not store.has(artifact.sha256)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done, _ in enumerate(pool.map(lambda artifact: self._bring(artifact, workspace, store), wanted), 1):
                told(done, len(wanted))
        return len(wanted)

    def _bring(self, artifact: Artifact, workspace: str, store: BlobStore) -> Path:
        door = f"conda/{artifact.source}" if artifact.kind == "conda" else "pypi/files"
        path = f"/w/{workspace}/{door}/{quote(artifact.path, safe='/')}"
        try:
            with self._http.stream("GET", path, headers={"Accept-Encoding": "identity"}) as response:
                if response.is_error:
                    response.read()
                raise_for_problem(response, service="the proxy")
                store.add(response.iter_bytes(1 << 20), expected=artifact.sha256)
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        return store.path(artifact.sha256)
