"""The judge of files, and of what belongs to one: metadata and provenance."""

import re

from tests.stateful.messages import Answer, Asked
from tests.stateful.outside import HARMLESS_TO_FILES
from tests.stateful.pool import BY_PATH, OUTSIDE, Item
from tests.stateful.view import LeakError, View
from tests.stateful.world import World

AWAY = {404, 502, 503, 504, 507}
"""What a client may be told of an approved file that its source does not give now."""


def fetchable(world: World, item: Item) -> bool:
    """Tell whether a source gives the right bytes of a file now."""
    fault = world.outside.faults[item.source]
    if world.settings.replica or item.key in world.outside.changed:
        return False
    if fault == "own":
        return item.source != OUTSIDE or world.model.tree.hosts == "mirror"
    return fault in HARMLESS_TO_FILES and (item.source != OUTSIDE or world.model.tree.hosts != "none")


def judge_file(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str], path: str) -> str:
    bare = path.removesuffix(".metadata").removesuffix(".provenance")
    item = next((item for item in BY_PATH.get(bare, ()) if item.key in view.items), None)
    if item is None:
        assert answer.status in ({403} if bare in BY_PATH else {403, 404}), f"{asked} is refused with {answer.status}"
        return "403 file"
    rivals = [one for one in BY_PATH[bare] if one.key in view.items]  # two sources may have a file of the same path
    item = next((one for one in rivals if one.sha256 in answer.header("etag")), item)
    had = all(one.sha256 in here or fetchable(world, one) for one in rivals)
    if path == f"{bare}.metadata":
        item = next((one for one in rivals if one.metadata == answer.body), item)
        return _metadata(asked, answer, item, had=had)
    if bare != path:
        return _provenance(world, asked, answer, item, path)
    etag = f'"{item.sha256}"'
    if asked.header("if-none-match") in {etag, f"W/{etag}", f'"x", {etag}', "*"}:
        assert answer.status == 304, f"{asked} is answered {answer.status}"
        return "304 file"
    if answer.status in AWAY or (answer.status == 200 and not answer.whole):
        assert not had, f"{asked}: {item} could be served, and is answered {answer.status} {answer.body[:300]!r}"
        return f"{answer.status} {'problem' if answer.whole else 'cut'}"
    assert had or len(rivals) > 1 or asked.method == "HEAD", (
        f"{asked}: {item} is nowhere, and is answered {answer.status}"
    )
    return _bytes(asked, answer, item, etag)


def _bytes(asked: Asked, answer: Answer, item: Item, etag: str) -> str:
    """Judge an answer that has a file or a part of it."""
    assert answer.header("etag") == etag or answer.status == 416, f"{asked}: ETag {answer.header('etag')}"
    status, data, content_range = expected_part(asked, item, etag)
    assert answer.status == status, f"{asked} is answered {answer.status}, not {status}"
    if status == 416:
        return "416 file"
    assert answer.header("content-range") == content_range, asked
    if item.size or asked.method == "GET":
        assert int(answer.header("content-length")) == len(data), asked
    if asked.method == "GET" and answer.body != data:
        raise LeakError(f"{asked}: the bytes are not those of {item}")
    return f"{status} file"


def expected_part(asked: Asked, item: Item, etag: str) -> tuple[int, bytes, str]:
    """Return (status, bytes, Content-Range) of a file by RFC 9110 section 14."""
    data, size = item.data, len(item.data)
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.header("range"))
    if asked.method == "HEAD" or not match or match[0] == "bytes=-" or asked.header("if-range") not in {"", etag}:
        return 200, data, ""
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if first and last and int(last) < start:
        return 200, data, ""
    if start >= size:
        return 416, b"", f"bytes */{size}"
    return 206, data[start : end + 1], f"bytes {start}-{end}/{size}"


def _metadata(asked: Asked, answer: Answer, item: Item, *, had: bool) -> str:
    if item.metadata is None:
        assert answer.status == 404, f"{asked}: an sdist has no metadata"
    elif answer.status == 200:
        assert asked.method == "HEAD" or answer.body == item.metadata, asked
        return "200 metadata"
    elif answer.status != 304:
        assert answer.status in AWAY, f"{asked} is answered {answer.status}"
        assert not had or not item.sound, f"{asked}: could be served, and is answered {answer.body[:300]!r}"
    return f"{answer.status} metadata"


def _provenance(world: World, asked: Asked, answer: Answer, item: Item, path: str) -> str:
    attested = item.attested and path == f"{item.where}.provenance"
    if answer.status in {200, 304} and attested:
        assert answer.status == 304 or asked.method == "HEAD" or answer.body == item.provenance, asked
    else:
        assert answer.status in ({404, 502, 503} if attested else {404}), f"{asked} is answered {answer.status}"
        healthy = world.outside.faults[item.source] in {"own", *HARMLESS_TO_FILES}
        assert not attested or not healthy or world.settings.replica, f"{asked}: {answer.body[:300]!r}"
    return f"{answer.status} provenance"
