"""HTTP to one registry: who asks, how often, and what an answer means (OCI distribution-spec).

Every registry differs in its faults, so all of them are met here once: challenges, throttling, passing failures,
redirects to a blob store that must not see our credentials.
"""

import base64
import ipaddress
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
    ) -> httpx2.Response:
        """Send a request and return an answer whose status is in ``expect``; ``url`` is relative to the repository.

        Passing failures are tried again, with the wait that the registry asks for, unless ``again`` is false. Raises
        ``UpstreamError`` naming registry and repository, ``RefusedError`` when credentials are missing or too weak.
        """
        with self.stream(method, url, expect=expect, headers=headers, content=content, again=again) as response:
            response.read()
            return response

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
        request = self._client.build_request(method, url, headers=dict(headers or {}), content=content)
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
                    response.read()
                    raise self.error(response)
                wait = _wait(response, attempt)
            finally:
                response.close()
            self._sleep(wait)

    def error(self, response: httpx2.Response) -> UpstreamError | RefusedError:
        """Put an answer that was not expected into a sentence, with the registry's own words."""
        where = f"{self.registry}, repository {self.repository}"
        said = _said(response)
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
            if request.url.scheme != "https" and not is_loopback(request.url.netloc.decode()):
                raise UpstreamError("the registry redirects to an address without TLS", where=self.registry)
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
        address = urlsplit(realm)
        if address.scheme != "https" and not (address.scheme == "http" and is_loopback(address.netloc)):
            raise UpstreamError(f"the registry sends us to {realm[:200]!r} for a token", where=self.registry)
        question: dict[str, str | list[str]] = {"service": challenge["service"]} if "service" in challenge else {}
        question["scope"] = challenge.get("scope", "").split()  # a mount is about two repositories
        headers = {"Authorization": self._credentials.basic()} if self._credentials else {}
        answer = self._client.get(realm, params=question, headers=headers)
        if answer.status_code != 200:
            return None
        try:
            body = answer.json()
            return str(body.get("token") or body["access_token"])
        except (ValueError, KeyError, AttributeError) as error:
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
    stated = response.headers.get("Retry-After", "")
    return min(float(stated) if stated.isdigit() else 0.2 * 2**attempt, _LONGEST_WAIT)


def _said(response: httpx2.Response) -> str:
    try:
        first = response.json()["errors"][0]
        return f"{first.get('code', '')} {first.get('message', '')}".strip()[:300]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return response.text[:300].strip() or "nothing more"
