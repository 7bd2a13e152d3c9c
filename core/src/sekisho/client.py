"""How the command line and the rooms talk to the portal: one small client, errors as the portal meant them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from sekisho.errors import BadInputError, SekishoError, UpstreamError, from_diagnostics
from sekisho.tls import verify_for

_LONG_POLL = 25
_LONG_IMPORT = 600.0
_BYTES = {"Content-Type": "application/octet-stream"}


class PortalSilentError(UpstreamError):
    """No portal answers: it is down, or being started again."""


def raise_for_problem(response: httpx2.Response, *, service: str) -> None:
    """Raise the error that a service reported in an ``application/problem+json`` body (RFC 9457)."""
    if response.is_success:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        raise UpstreamError(f"{service} answered {response.status_code}", where=str(response.request.url.path))
    raise from_diagnostics(problem, fallback=f"{service} answered {response.status_code}")


class PortalClient:
    """The portal's JSON API. Every call raises ``PortalSilentError`` when no portal answers.

    A room is ``direct``: it never asks a proxy of this machine's environment, as a person's command may. ``ca`` is
    a file of authorities to believe beside the system's.
    """

    def __init__(
        self, url: str, token: str | None, *, timeout: float = 30.0, direct: bool = False, ca: Path | None = None
    ) -> None:
        self.url = url
        if token and not (token.isascii() and token.isprintable()):
            raise BadInputError("the token holds characters that no token has", where="SEKISHO_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            verify = verify_for(url, ca)
            self._http = httpx2.Client(
                base_url=url, headers=headers, timeout=timeout, trust_env=not direct, verify=verify
            )
        except httpx2.InvalidURL as error:
            raise BadInputError(f"{url!r} is not an address: {error}", where="SEKISHO_PORTAL_URL") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        patience: float = 30.0,
    ) -> Any:  # noqa: ANN401 (a JSON answer)
        wanted = {key: value for key, value in (params or {}).items() if value is not None}
        timeout = patience + float(wanted.get("wait", 0))
        try:
            response = self._http.request(
                method, path, json=json, content=data, params=wanted, timeout=timeout, headers=_BYTES if data else None
            )
        except httpx2.TransportError as error:
            raise PortalSilentError(
                f"the portal does not answer: {error}",
                where=self.url,
                todo="start it with `sekisho up`, or set SEKISHO_PORTAL_URL",
            ) from error
        raise_for_problem(response, service="the portal")
        return response.json() if response.content else None

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a request; return its status."""
        return dict(self._call("POST", "/api/requests", json=body))

    def requests(self) -> list[dict[str, Any]]:
        """List all requests, newest first."""
        return list(self._call("GET", "/api/requests"))

    def status(
        self, request: str, *, after: int | None = None, wait: int | None = None, verdicts: bool = False
    ) -> dict[str, Any]:
        """Return where a request stands; with ``wait`` (seconds), once something newer than row ``after`` happened.

        Of the verdicts it holds the exceptions, with ``verdicts`` all.
        """
        wanted = {"after": after, "wait": wait, "verdicts": "true" if verdicts else None}
        return dict(self._call("GET", f"/api/requests/{request}", params=wanted))

    def approve(
        self,
        request: str,
        *,
        reason: str,
        expires: datetime | None = None,
        closure: str | None = None,
        scope: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Approve a request's closure: the one with the digest ``closure``, where it is given; perhaps for more."""
        body: dict[str, Any] = {"reason": reason, "expires": expires.isoformat() if expires else None}
        if closure:
            body["closure"] = closure
        if scope:
            body["scope"] = list(scope)
        return dict(self._call("POST", f"/api/requests/{request}/approve", json=body))

    def deny(self, request: str, *, reason: str) -> dict[str, Any]:
        """Deny a request."""
        return dict(self._call("POST", f"/api/requests/{request}/deny", json={"reason": reason}))

    def act(self, request: str, act: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do one of the rarer things to a request: ``ask-back``, ``answer``, ``break-glass``."""
        return dict(self._call("POST", f"/api/requests/{request}/{act}", json=body))

    def revoke(self, what: str, *, reason: str, workspace: str | None = None) -> list[dict[str, Any]]:
        """Take back approvals: one by its id, or all of NAME or NAME==VERSION."""
        body = {"what": what, "reason": reason, "workspace": workspace}
        return list(self._call("POST", "/api/revocations", json=body))

    def state(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """State that an advisory does not matter for some releases."""
        return dict(self._call("POST", "/api/vex", json=body))

    def stated(self) -> list[dict[str, Any]]:
        """Return the statements in force, and where more people have to say the same."""
        return list(self._call("GET", "/api/vex"))

    def import_feed(self, feed: str, data: bytes, *, name: str, smaller: bool = False) -> dict[str, Any]:
        """Import advisories, or what is exploited; the portal may need a while to read them."""
        params = {"name": name, "smaller": "true" if smaller else None}
        return dict(self._call("POST", f"/api/advisories/{feed}", data=data, params=params, patience=_LONG_IMPORT))

    def statements(self, approval: str) -> list[dict[str, Any]]:
        """Return what an approval says to others, as DSSE envelopes."""
        return list(self._call("GET", f"/api/approvals/{approval}/statements"))

    def affected(self) -> list[dict[str, Any]]:
        """Return what is approved and has something against it that was not known then."""
        return list(self._call("GET", "/api/affected"))

    def locks(self, what: str, *, workspace: str | None = None, limit: int | None = None) -> dict[str, Any]:
        """Return which locks hold a package, a release, a file, or what an advisory concerns."""
        return dict(self._call("GET", "/api/locks", params={"what": what, "workspace": workspace, "limit": limit}))

    def lock(self, asked: Mapping[str, Any], answer: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return what a tool answered from a door as a lock, held to what is approved there."""
        return dict(self._call("POST", "/api/locks", json={"asked": dict(asked), "answer": dict(answer), "name": name}))

    def lock_of(self, request: str) -> dict[str, Any]:
        """Return what was approved for a request as a lock."""
        return dict(self._call("GET", f"/api/requests/{request}/lock"))

    def channels(self) -> dict[str, Any]:
        """Return the channels in their order, and what conda packages are called in the index."""
        return dict(self._call("GET", "/api/channels"))

    def retry(self, request: str) -> dict[str, Any]:
        """Have a failed request worked on again."""
        return dict(self._call("POST", f"/api/requests/{request}/retry"))

    def report(self, request: str, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Report a stage's result to the ledger (service)."""
        return dict(self._call("POST", f"/api/requests/{request}/report", json={"kind": kind, "body": body}))

    def foresee(self, request: str, artifacts: Sequence[Any], newest: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Foretell the verdicts on files that a resolver may choose (service)."""
        body = {"artifacts": list(artifacts), "newest": dict(newest)}
        return list(self._call("POST", f"/api/requests/{request}/foresee", json=body))

    def records(self, request: str) -> dict[str, Any]:
        """Return a request's own record, its closure, judgement and lock, as far as they exist (service)."""
        return dict(self._call("GET", f"/api/requests/{request}/records"))

    def judged(self, request: str) -> dict[str, Any]:
        """Return what the policy says of a request's closure now, its licences, and what is covered (service)."""
        return dict(self._call("GET", f"/api/requests/{request}/judged"))

    def events(self, *, after: int, wait: int = _LONG_POLL) -> list[dict[str, Any]]:
        """Return what needs work after ledger row ``after``, waiting up to ``wait`` seconds for it (service)."""
        return list(self._call("GET", "/api/events", params={"after": after, "wait": wait}))

    def snapshot(self) -> dict[str, Any]:
        """Return the sealed policy snapshot in force, whole."""
        return dict(self._call("GET", "/api/policy/snapshot"))

    def policy(self) -> dict[str, Any]:
        """Return the policy in force: its revision, its sequence, what it refused."""
        return dict(self._call("GET", "/api/policy"))

    def sources(self) -> list[dict[str, Any]]:
        """Return the sources in the order in which they are asked."""
        return list(self._call("GET", "/api/sources"))

    def why(
        self, project: str, release: str | None, workspace: str, python: str | None = None, channel: str | None = None
    ) -> dict[str, Any]:
        """Return why a project (``conda:NAME`` of a channel) is, or is not, to be had."""
        asked = {"release": release, "workspace": workspace, "python": python, "channel": channel}
        return dict(self._call("GET", f"/api/why/{project}", params=asked))

    def demand(self, *, served: bool = False, workspace: str | None = None, limit: int = 100) -> dict[str, Any]:
        """Return what was refused, the most wanted first; with ``served``, what ``enforce`` would refuse."""
        params = {"served": "true" if served else None, "workspace": workspace, "limit": limit}
        return dict(self._call("GET", "/api/demand", params=params))

    def answers(self) -> bool:
        """Tell whether a portal is up at this address."""
        try:
            self._call("GET", "/healthz")
        except SekishoError:
            return False
        return True
