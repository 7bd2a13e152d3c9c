"""Proxies that are wrong in one way each, to see that the judge sees it. Each stands before the real application."""

import httpx2

from tests.stateful.open_doors import OpenDoors
from tests.stateful.outside import FOREIGN
from tests.stateful.pool import BY_PATH, POOL
from tests.stateful.world import World


async def _give(send, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"x-request-id", b"x")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _item_of(path: str):
    return next(iter(BY_PATH.get(path.partition("/pypi/files/")[2].removesuffix(".metadata"), ())), None)


def metadata_without_asking(world: World, app):
    async def leak(scope, receive, send):
        item = _item_of(scope["path"])
        if item and item.metadata and scope["path"].endswith(".metadata") and scope["method"] == "GET":
            await _give(send, item.metadata)
        else:
            await app(scope, receive, send)

    return leak


def quarantine_is_served(world: World, app):
    async def leak(scope, receive, send):
        item = _item_of(scope["path"])
        if item and scope["method"] == "GET" and world.here(item.sha256, "quarantine"):
            await _give(send, item.data)
        else:
            await app(scope, receive, send)

    return leak


def one_door_for_all(world: World, app):
    async def leak(scope, receive, send):
        await app(scope | {"path": scope["path"].replace("/w/everyone/", "/w/team-a/")}, receive, send)

    return leak


def pages_for_ever(world: World, app):
    return kept_for_ever(app, lambda path: "/pypi/simple/" in path)


def kept_for_ever(app, of_these):
    """Whatever the application said first of one of ``of_these`` paths, it says ever after."""
    kept: dict[tuple, list] = {}

    async def leak(scope, receive, send):
        key = scope["method"], scope["path"], tuple(scope["headers"])
        if not of_these(scope["path"]):
            await app(scope, receive, send)
            return
        if key not in kept:
            kept[key] = []

            async def keep(message):
                kept[key].append(message)

            await app(scope, receive, keep)
        for message in kept[key]:
            await send(message)

    return leak


def pages_with_a_gap(world: World, app):
    async def leak(scope, receive, send):
        await app(scope | {"path": scope["path"].replace("/simple/alpha/", "/simple/nothing/")}, receive, send)

    return leak


def last_byte_wrong(world: World, app):
    async def leak(scope, receive, send):
        started: list[int] = []

        async def spoil(message):
            body = bytes(message.get("body", b""))
            started.append(message.get("status", 0))
            if started[0] in {200, 206} and body and not message.get("more_body") and "/pypi/files/" in scope["path"]:
                message = message | {"body": body[:-1] + bytes([body[-1] ^ 1])}
            await send(message)

        await app(scope, receive, spoil)

    return leak


def others_are_asked(world: World, app):
    async def leak(scope, receive, send):
        if scope["path"].endswith(POOL["alpha-1.0"].filename):
            await world.outside.handle_async_request(httpx2.Request("GET", f"http://{FOREIGN}/alpha.whl"))
        await app(scope, receive, send)

    return leak


def names_go_outside(world: World, app):
    async def leak(scope, receive, send):
        if scope["path"].endswith("/inhouse/"):
            await world.outside.handle_async_request(httpx2.Request("GET", "http://outside.test/simple/inhouse/"))
        await app(scope, receive, send)

    return leak


LEAKS = {
    leak.__name__: leak
    for leak in (
        metadata_without_asking, quarantine_is_served, one_door_for_all, pages_for_ever, pages_with_a_gap,
        last_byte_wrong, others_are_asked, names_go_outside,
    )
}  # fmt: skip


def leaky(name: str) -> type[OpenDoors]:
    """Return the machine around a proxy that leaks."""

    class LeakyWorld(World):
        async def _start(self) -> None:
            await super()._start()
            self.app = LEAKS[name](self, self.app)

    class Leaky(OpenDoors):
        def make_world(self) -> World:
            return LeakyWorld()

        def __init__(self) -> None:
            super().__init__()
            for item in POOL.values():  # have something in quarantine
                if not item.ranges:
                    self.candidates(f"/candidates/files/{item.source}/{item.path}.metadata", known=True)

    return Leaky
