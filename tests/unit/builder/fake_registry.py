"""A registry in memory that speaks the OCI distribution spec, with the faults that real ones have."""

import base64
import hashlib
import re
import threading
import uuid
from collections.abc import Iterable

import httpx2

from sekisho_builder.oci.connection import Connection, Credentials

LARGEST_BODY = 20_000_000


class FakeRegistry:
    """``faults`` are taken one at a time by the requests that match: (method, part of the path, what happens).

    What happens is a status, ``"drop"`` (the connection breaks before the request counts), ``"lose"`` (it counts,
    and the answer never arrives) or ``"expire"`` (no token is valid any more). ``given`` is the password that clients
    have.
    """

    def __init__(self, *, password: str = "", faults: Iterable[tuple[str, str, object]] = ()) -> None:
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.faults = list(faults)
        self.password = self.given = password
        self.tokens: set[str] = set()
        self.rewrite = False
        self.redirect = ""
        self._lock = threading.Lock()

    def connect(self, registry: str, repository: str) -> Connection:
        credentials = Credentials("user", self.given) if self.password else None
        transport = httpx2.MockTransport(self)
        return Connection(registry, repository, credentials, transport=transport, sleep=self.waits.append)

    def count(self, method: str, part: str = "") -> int:
        return sum(m == method and part in path for m, path in self.requests)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            self.requests.append((request.method, str(request.url)))
            fault = self._fault(request)
            if fault == "drop":
                raise httpx2.ConnectError("broken")
            if isinstance(fault, int):
                headers = {"Retry-After": "7"} if fault == 429 else {}
                return httpx2.Response(fault, headers=headers, json={"errors": [{"code": "OUCH", "message": "no"}]})
            if fault == "expire":
                self.tokens.clear()
            answer = self._answer(request)
            if fault == "lose":
                raise httpx2.ReadError("lost")
            return answer

    def _fault(self, request: httpx2.Request) -> object:
        for fault in self.faults:
            if fault[0] == request.method and fault[1] in str(request.url):
                self.faults.remove(fault)
                return fault[2]
        return None

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path == "/token":
            return self._token(request)
        if path.startswith("/elsewhere/"):
            assert "Authorization" not in request.headers
            digest = path.removeprefix("/elsewhere/")
            data = next(blobs[digest] for blobs in self.blobs.values() if digest in blobs)
            return httpx2.Response(200, stream=httpx2.ByteStream(data))
        if self.password and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            challenge = 'Bearer realm="http://127.0.0.1/token",service="fake",scope="repository:a:pull,push"'
            return httpx2.Response(401, headers={"WWW-Authenticate": challenge})
        found = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests)/(.*)", path)
        assert found, path
        repository, kind, rest = found.groups()
        return getattr(self, f"_{kind.replace('blobs/', '')}")(request, repository, rest)

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        wanted = "Basic " + base64.b64encode(f"user:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != wanted:
            return httpx2.Response(401)
        self.tokens = {uuid.uuid4().hex}
        return httpx2.Response(200, json={"token": next(iter(self.tokens))})

    def _blobs(self, request: httpx2.Request, repository: str, digest: str) -> httpx2.Response:
        data = self.blobs.get(repository, {}).get(digest)
        if data is None:
            return httpx2.Response(404)
        if self.redirect and request.method == "GET":
            return httpx2.Response(307, headers={"Location": f"{self.redirect}/elsewhere/{digest}"})
        return httpx2.Response(200, stream=httpx2.ByteStream(data if request.method == "GET" else b""))

    def _manifests(self, request: httpx2.Request, repository: str, name: str) -> httpx2.Response:
        if request.method == "PUT":
            data = request.content + (b" " if self.rewrite else b"")
            digest = f"sha256:{hashlib.sha256(request.content).hexdigest()}"
            self.manifests[repository, name] = self.manifests[repository, digest] = data
            return httpx2.Response(201)
        data = self.manifests.get((repository, name))
        return httpx2.Response(404) if data is None else httpx2.Response(200, content=data)

    def _uploads(self, request: httpx2.Request, repository: str, session: str) -> httpx2.Response:
        if request.method == "POST":
            mount, source = request.url.params.get("mount"), request.url.params.get("from")
            if mount and mount in self.blobs.get(source, {}):
                self.blobs.setdefault(repository, {})[mount] = self.blobs[source][mount]
                return httpx2.Response(201)
            session = uuid.uuid4().hex
            self.uploads[session] = bytearray()
            return self._at(202, repository, session)
        if session not in self.uploads:
            return httpx2.Response(404)
        return self._go_on(request, repository, session)

    def _go_on(self, request: httpx2.Request, repository: str, session: str) -> httpx2.Response:
        held = self.uploads[session]
        if request.method == "PATCH":
            first = int(request.headers["Content-Range"].partition("-")[0])
            if len(request.content) > LARGEST_BODY or first != len(held):
                return httpx2.Response(413 if first == len(held) else 416)
            held += request.content
            return self._at(202, repository, session)
        if request.method == "PUT":
            digest = request.url.params["digest"]
            if digest != f"sha256:{hashlib.sha256(held).hexdigest()}":
                return httpx2.Response(400, json={"errors": [{"code": "DIGEST_INVALID", "message": "differs"}]})
            self.blobs.setdefault(repository, {})[digest] = bytes(self.uploads.pop(session))
            return httpx2.Response(201)
        if request.method == "DELETE":
            del self.uploads[session]
            return httpx2.Response(204)
        return self._at(204, repository, session)

    def _at(self, status: int, repository: str, session: str) -> httpx2.Response:
        last = max(len(self.uploads[session]) - 1, 0)
        where = f"/v2/{repository}/blobs/uploads/{session}?_state=x"
        return httpx2.Response(status, headers={"Location": where, "Range": f"0-{last}"})
