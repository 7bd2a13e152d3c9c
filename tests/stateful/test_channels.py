"""Never, of channels: no unapproved byte, hash or name leaves by any form of an index, whatever happens in which order."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.channel_doors import ChannelDoors
from tests.stateful.channel_world import PACKAGES, ChannelWorld
from tests.stateful.leaks import kept_for_ever
from tests.stateful.test_never import MOST_RUNS, ROUNDS, SOAK, _quiet, limits

assert _quiet  # a fixture that every test here uses

MET = {
    "200 package", "206 package", "304 package", "403 package", "502 problem", "200 index", "200 shards",
    "200 index, empty", "304 index", "200 shard", "404 shard", "404 junk", "404 elsewhere",
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_nothing_unapproved_of_a_channel_leaves(number):
    ChannelDoors.steps = 0
    ChannelDoors.seen.clear()
    for _ in range(MOST_RUNS):
        run_state_machine_as_test(ChannelDoors, settings=limits(18, 45))
        if ChannelDoors.seen.keys() >= MET:
            break
    assert ChannelDoors.steps >= 400
    assert ChannelDoors.seen.keys() >= MET, MET - ChannelDoors.seen.keys()


def _for_ever(world, app):
    return kept_for_ever(app, lambda path: path.endswith("repodata_shards.msgpack.zst"))


def _one_channel_for_all(world, app):
    async def leak(scope, receive, send):
        await app(scope | {"path": scope["path"].replace("/conda/lab/", "/conda/forge/")}, receive, send)

    return leak


def _packages_without_asking(world, app):
    async def leak(scope, receive, send):
        found = [one for one in PACKAGES.values() if scope["path"].endswith(f"/conda/{one.channel}/{one.path}")]
        if not found or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        headers = [(b"etag", f'"{found[0].sha256}"'.encode()), (b"x-request-id", b"x")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return leak


@pytest.mark.skipif(SOAK, reason="shown in every usual run")
@pytest.mark.parametrize("leak", [_for_ever, _one_channel_for_all, _packages_without_asking])
def test_the_judge_of_channels_sees_a_leak(leak):
    class LeakyWorld(ChannelWorld):
        async def _start(self) -> None:
            await super()._start()
            self.app = leak(self, self.app)

    class Leaky(ChannelDoors):
        world_kind = LeakyWorld

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Leaky, settings=settings(limits(60, 40), phases=[Phase.generate]))
