"""The judge of the conda door: whatever the form, exactly what the model says, and the right bytes or none."""

import json
import re

import msgspec
from backports import zstd

from tests.stateful.channel_world import BY_PLACE, CHANNELS, PACKAGES, ChannelWorld, Package
from tests.stateful.judge_files import AWAY, expected_part
from tests.stateful.messages import Answer, Asked
from tests.stateful.oracle import well_formed
from tests.stateful.outside import HARMLESS_TO_FILES
from tests.stateful.pool import OUTSIDE
from tests.stateful.reading import plain_body
from tests.stateful.view import LeakError, View, view_of

_PLACE = re.compile(r"conda/(?P<channel>[^/]+)/(?P<rest>.+)", re.DOTALL)
_INDEX = re.compile(r"(noarch|linux-64)/(repodata|current_repodata|run_exports)\.json(\.zst)?")
_SHARDS = re.compile(r"(noarch|linux-64)/repodata_shards\.msgpack\.zst")
_SHARD = re.compile(r"(noarch|linux-64)/[0-9a-f]{64}\.msgpack\.zst")


def judge(world: ChannelWorld, asked: Asked, answer: Answer, here: frozenset[str]) -> str:
    """Raise ``LeakError`` or ``AssertionError`` for an answer that is not as it must be; return what kind it was."""
    path = re.sub(r"^/t/[^/]+(?=/w/)", "", asked.path)
    view = view_of(world, path)
    place = _PLACE.fullmatch(view.rest) if view else None
    _no_leak(asked, answer, view, place["channel"] if place else "")
    well_formed(asked, answer)
    if world.outside.strays:
        raise LeakError(world.outside.strays[0])
    if asked.method not in {"GET", "HEAD"} or (answer.status == 400 and "problem" not in answer.header("content-type")):
        return f"{answer.status} method or parser"
    if view is None or place is None or place["channel"] not in CHANNELS:
        assert answer.status in {400, 403, 404, 409, 503, 308, 200}, f"{asked} is answered {answer.status}"
        return f"{answer.status} elsewhere"
    if not view.sure and answer.status == 409:
        return "409 address"
    return _route(world, asked, answer, view, here, place)


def _route(world, asked: Asked, answer: Answer, view: View, here: frozenset[str], place: re.Match) -> str:
    channel, rest = place["channel"], place["rest"]
    theirs = {item.path: item for item in view.items.values() if item.channel == channel}
    if (channel, rest) in BY_PLACE:
        return _package(world, asked, answer, theirs.get(rest), here)
    if _INDEX.fullmatch(rest) or _SHARDS.fullmatch(rest) or rest == "channeldata.json":
        return _index(world, asked, answer, theirs, rest)
    if _SHARD.fullmatch(rest):
        assert answer.status in {200, 304, 404}, asked
        return f"{answer.status} shard"
    assert answer.status in {403, 404}, f"{asked} is answered {answer.status}"
    return f"{answer.status} junk"


def _no_leak(asked: Asked, answer: Answer, view: View | None, channel: str) -> None:
    """Whatever the route: no mark and no hash of a package that this door does not have from this channel."""
    allowed = {item.sha256 for item in view.items.values() if item.channel == channel} if view else set()
    text = _text(answer) if answer.whole else answer.body
    if b"EVIL-MARK" in text and answer.whole:
        raise LeakError(f"{asked} came to its end with bytes that a source put in place of a file")
    headers = "\n".join(value for _, value in answer.headers).encode()
    for package in PACKAGES.values():
        mark = package.data[: package.data.index(b"]") + 1]
        named = package.sha256.encode() in text + headers or mark in text
        if named and package.sha256 not in allowed:
            raise LeakError(f"{asked} is answered {answer.status} with {package.key}, which is not approved there")


def _text(answer: Answer) -> bytes:
    """Return a body as text, whatever it is packed in: hashes of shards are bytes."""
    body = plain_body(answer)
    if answer.header("content-type") != "application/zstd" or not body:
        return body
    unpacked = zstd.decompress(body)
    if unpacked[:1] == b"{":
        return unpacked
    return json.dumps(msgspec.msgpack.decode(unpacked), default=bytes.hex).encode()


def _index(world: ChannelWorld, asked: Asked, answer: Answer, theirs: dict[str, Package], rest: str) -> str:
    if answer.status in {304, 406} or asked.method == "HEAD":
        assert answer.status in {200, 304, 406}, f"{asked} is answered {answer.status}"
        return f"{answer.status} index"
    assert answer.status == 200, f"{asked} is answered {answer.status}"
    subdir, _, form = rest.rpartition("/")
    value = json.loads(_text(answer))
    sure = theirs.values() if not (world.settings.replica or world.outside.faulty_since_start) else ()
    if form == "channeldata.json":
        found, must, may = set(value["packages"]), {i.name for i in sure}, {i.name for i in theirs.values()}
    elif "shards" in form:
        found = set(value["shards"])
        must, may = ({i.name for i in some if i.subdir == subdir} for some in (sure, theirs.values()))
    else:
        found = {*value["packages"], *value["packages.conda"]}
        must, may = ({i.filename for i in some if i.subdir == subdir} for some in (sure, theirs.values()))
    if found - may:
        raise LeakError(f"{asked} lists what the door does not have: {found - may}")
    assert found >= must, f"{asked} does not list {must - found}"
    return f"200 {'shards' if 'shards' in form else 'index'}{'' if found else ', empty'}"


def _package(world: ChannelWorld, asked: Asked, answer: Answer, item: Package | None, here: frozenset[str]) -> str:
    if item is None:
        assert answer.status == 403, f"{asked} is refused with {answer.status}"
        return "403 package"
    etag = f'"{item.sha256}"'
    if asked.header("if-none-match") in {etag, f"W/{etag}", f'"x", {etag}', "*"}:
        assert answer.status == 304, f"{asked} is answered {answer.status}"
        return "304 package"
    healthy = world.outside.faults[OUTSIDE] in HARMLESS_TO_FILES and item.key not in world.outside.changed
    had = item.sha256 in here or (healthy and not world.settings.replica)
    if answer.status in AWAY or (answer.status == 200 and not answer.whole):
        assert not had, f"{asked}: {item.key} could be served, and is answered {answer.status} {answer.body[:300]!r}"
        return f"{answer.status} {'problem' if answer.whole else 'cut'}"
    assert had or asked.method == "HEAD", f"{asked}: {item.key} is nowhere, and is answered {answer.status}"
    status, data, content_range = expected_part(asked, item, etag)
    assert answer.status == status, f"{asked} is answered {answer.status}, not {status}"
    if status != 416:
        assert answer.header("etag") == etag, asked
        assert answer.header("content-range") == content_range, asked
        if asked.method == "GET" and answer.body != data:
            raise LeakError(f"{asked}: the bytes are not those of {item.key}")
    return f"{status} package"
