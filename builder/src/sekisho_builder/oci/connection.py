"""HTTP to one registry: who asks, how often, and what an answer means (OCI distribution-spec).

Every registry differs in its faults, so all of them are met here once: challenges, throttling, passing failures,
redirects to a blob store that must not see our credentials.
"""

import base64
import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import httpx2

from sekisho.errors import BadInputError, RefusedError, UpstreamError

_ATTEMPTS = 5
_REDIRECTS = 5
_LONGEST_WAIT = 60.0
_LARGEST_ANSWER = 5 << 20
"""Bytes of an answer that is no blob: a manifest has 4 MiB at most."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')

Sleep = Callable[[float], None]


class Credentials(NamedTuple):
    """A name and password (or token) for a registry."""

    user: str
    password: str

    def basic(self) -> str:
        """Return the header's value for HTTP Basic."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Answer(NamedTuple):
    """A whole answer, and the address that it came from."""

    status_code: int
    headers: httpx2.Headers
    content: bytes
    url: httpx2.URL


class Connection:
    """Asks one registry about one repository. May be used from several threads.

    Plain HTTP is spoken to this machine only. ``transport`` and ``sleep`` are for tests.
    """

    def __init__(
        self,
        registry: str,
        repository: str,
        credentials: Credentials | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.registry = registry
        self.repository = repository
        self._credentials = credentials
        self._sleep = sleep
        self._lock = threading.Lock()
        self._authorization: str | None = None
        scheme = "http" if is_loopback(registry) else "https"
        self._client = httpx2.Client(
            base_url=f"{scheme}://{registry}/v2/{repository}/",
            transport=transport,
            timeout=httpx2.Timeout(60, connect=15),
            headers={"User-Agent": "sekisho"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        expect: set[int],
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        again: bool = True,
    ) -> Answer:
        """Send a request and return an answer whose status is in ``expect``; ``url`` is relative to the repository.

        Passing failures are tried again, with the wait that the registry asks for, unless ``again`` is false. Raises
        ``UpstreamError`` naming registry and repository, ``RefusedError`` when credentials are missing or too weak.
        """
        with self.stream(method, url, expect=expect, headers=headers, content=content, again=again) as response:
            return Answer(response.status_code, response.headers, self._read(response), response.request.url)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        expect: set[int],
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        again: bool = True,
    ) -> Iterator[httpx2.Response]:
        """Like ``ask``, but the answer's body is still to be read."""
        try:
            request = self._client.build_request(method, url, headers=dict(headers or {}), content=content)
        except (httpx2.InvalidURL, ValueError) as error:
            raise UpstreamError(f"the registry names no address: {url[:200]!r}", where=self.registry) from error
        self._check(request.url)
        attempts = _ATTEMPTS if again else 1
        for attempt in range(1, attempts + 1):
            response = self._try(request, last=attempt == attempts)
            if response is None:
                self._sleep(0.2 * 2**attempt)
                continue
            try:
                if response.status_code in expect:
                    yield response
                    return
                if response.status_code not in _PASSING or attempt == attempts:
                    raise self.error(response, self._read(response))
                wait = _wait(response, attempt)
            finally:
                response.close()
            self._sleep(wait)

    def _read(self, response: httpx2.Response) -> bytes:
        """Return a body; raise ``UpstreamError`` for one that is too large, unpacked."""
        asked = f"{response.request.method} {response.request.url.path}"
        found = bytearray()
        try:
            for piece in response.iter_bytes():
                found += piece
                if len(found) > _LARGEST_ANSWER:
                    raise UpstreamError(f"the registry's answer to {asked} is too large", where=self.registry)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise UpstreamError(f"the registry's answer to {asked} broke off: {error}", where=self.registry) from error
        return bytes(found)

    def _check(self, address: httpx2.URL) -> None:
        """Raise ``UpstreamError`` for an address that only a registry on this machine may name, or that has no TLS."""
        here = is_loopback(self.registry) and is_loopback(address.netloc.decode())
        if address.scheme != "https" and not (address.scheme == "http" and here):
            raise UpstreamError(
                f"the registry sends us to an address without TLS: {str(address)[:200]}", where=self.registry
            )

    def error(self, response: httpx2.Response, body: bytes) -> UpstreamError | RefusedError:
        """Put an answer that was not expected into a sentence, with the registry's own words."""
        where = f"{self.registry}, repository {self.repository}"
        said = _said(body)
        asked = f"{response.request.method} {response.request.url.path}"
        if response.status_code in {401, 403}:
            return RefusedError(
                f"the registry refused {asked} ({response.status_code}): {said}",
                where=where,
                todo=f"log in with `docker login {self.registry}`, or ask its owner for the right to push",
            )
        return UpstreamError(
            f"the registry answered {response.status_code} to {asked}: {said}",
            where=where,
            todo="see the registry's log, and run the same command again: what was sent stays sent",
        )

    def _try(self, request: httpx2.Request, *, last: bool) -> httpx2.Response | None:
        """Send once, through challenges and redirects; return nothing when the connection failed and may be retried."""
        try:
            response = self._send(request)
            if response.status_code == 401 and self._authenticate(response):
                response.close()
                response = self._send(request)
            return self._follow(response)
        except httpx2.TransportError as error:
            if last:
                raise UpstreamError(
                    f"the registry does not answer: {error or type(error).__name__}",
                    where=f"{self.registry}, repository {self.repository}",
                    todo="see that it runs and is reachable, and run the same command again",
                ) from error
            return None

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        own = (request.url.scheme, request.url.netloc) == (self._client.base_url.scheme, self._client.base_url.netloc)
        request.headers.pop("Authorization", None)
        if own and self._authorization:
            request.headers["Authorization"] = self._authorization
        return self._client.send(request, stream=True)

    def _follow(self, response: httpx2.Response) -> httpx2.Response:
        """Follow redirects of reads; a blob store elsewhere never sees our token."""
        for _ in range(_REDIRECTS):
            if response.next_request is None or response.request.method not in {"GET", "HEAD"}:
                return response
            request = response.next_request
            response.close()
            self._check(request.url)
            response = self._send(request)
        return response

    def _authenticate(self, response: httpx2.Response) -> bool:
        """Answer a challenge (RFC 7235; the token protocol of the distribution project); tell whether we could."""
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        refused = response.request.headers.get("Authorization")
        with self._lock:
            if self._authorization != refused:
                return True
            if scheme.lower() == "basic" and self._credentials and refused is None:
                self._authorization = self._credentials.basic()
                return True
            if scheme.lower() != "bearer":
                return False
            token = self._token(dict(_PARAMETER.findall(rest)))
            self._authorization = f"Bearer {token}" if token else None
            return token is not None

    def _token(self, challenge: Mapping[str, str]) -> str | None:
        realm = challenge.get("realm", "")
        try:
            self._check(httpx2.URL(realm))
        except (httpx2.InvalidURL, ValueError) as error:
            raise UpstreamError(f"the registry sends us to {realm[:200]!r} for a token", where=self.registry) from error
        question: dict[str, str | list[str]] = {"service": challenge["service"]} if "service" in challenge else {}
        question["scope"] = challenge.get("scope", "").split()  # a mount is about two repositories
        headers = {"Authorization": self._credentials.basic()} if self._credentials else {}
        with self._client.stream("GET", realm, params=question, headers=headers) as answer:
            if answer.status_code != 200:
                return None
            said = self._read(answer)
        try:
            body = json.loads(said)
            return str(body.get("token") or body["access_token"])
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise UpstreamError("the registry's token service does not speak its protocol", where=realm) from error


def is_loopback(netloc: str) -> bool:
    """Tell whether a host (with or without a port) is this machine."""
    host = urlsplit(f"//{netloc}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_reference(reference: str) -> tuple[str, str, str]:
    """Split ``host/name@sha256:…`` into (registry, repository, sha256); raise ``BadInputError`` for anything else."""
    name, _, digest = reference.partition("@")
    registry, slash, repository = name.partition("/")
    if not slash or not repository or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise BadInputError(f"{reference[:200]!r} is no image by digest", todo="write host/name@sha256:…")
    return registry, repository, digest.removeprefix("sha256:")


def _wait(response: httpx2.Response, attempt: int) -> float:
    """Return the seconds to wait: as ``Retry-After`` says (RFC 9110, 10.2.3), else longer each time."""
    stated = number(response.headers.get("Retry-After", ""))
    return min(0.2 * 2**attempt if stated is None else stated, _LONGEST_WAIT)


def number(text: str) -> int | None:
    """Return what a header says in digits, nothing if that is no number of any use."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _said(body: bytes) -> str:
    try:
        first = json.loads(body)["errors"][0]
        return f"{first.get('code', '')} {first.get('message', '')}".strip()[:300]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return body[:300].decode(errors="replace").strip() or "nothing more"
