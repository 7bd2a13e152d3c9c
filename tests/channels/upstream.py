"""Channels as an ASGI app: every request is logged, with faults as ``FakeUpstream`` has them, and files that lie."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.channels.channel import Channel
from tests.fake_upstream import FakeUpstream


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class FakeChannels(FakeUpstream):
    """Serves each of ``channels`` below its name; ``lies`` are bodies by path in place of what the channel has.

    ``asked`` is what came, with headers; ``elsewhere``, ``faults`` and ``left`` are ``FakeUpstream``'s.
    """

    channels: dict[str, Channel] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope, receive, send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        self.asked.append(Asked(scope["method"], scope["path"], headers))
        await super().__call__(scope, receive, send)

    def _answer(self, path, headers):
        body = self.lies.get(path)
        if body is None:
            name, _, rest = path.lstrip("/").partition("/")
            channel = self.channels.get(name)
            body = channel.files.get(rest) if channel else None
        if body is None:
            return 404, {}, b"not found"
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        sent = {"etag": etag, "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT"}
        if headers.get("if-none-match") == etag:
            return 304, sent, b""
        status, ranged, body = self._ranged(body, headers)
        return status, {**sent, **ranged}, body
