"""The judge: what an answer may hold, and must hold, by the model alone. It knows no route but by its path."""

import json

from tests.stateful.judge_files import judge_file
from tests.stateful.judge_pages import LEGACY, judge_legacy, judge_page
from tests.stateful.judge_relaxed import judge_relaxed
from tests.stateful.messages import Answer, Asked
from tests.stateful.pool import POOL, hashes, marks
from tests.stateful.reading import plain_body
from tests.stateful.view import LeakError, View, view_of
from tests.stateful.world import World


def judge(world: World, asked: Asked, answer: Answer, here: frozenset[str]) -> str:
    """Raise ``LeakError`` or ``AssertionError`` for an answer that is not as it must be; return what kind it was.

    ``here`` are the hashes of the files that could be served without asking a source, before the request was sent.
    """
    view = view_of(world, asked.path)
    no_leak(world, asked, answer, view)
    well_formed(asked, answer)
    if world.outside.strays:
        raise LeakError(world.outside.strays[0])
    return _early(world, asked, answer, view, here) or _route(world, asked, answer, view, here)


def _early(world: World, asked: Asked, answer: Answer, view: View | None, here: frozenset[str]) -> str:
    """Judge what no route is asked for."""
    if asked.method not in {"GET", "HEAD"}:
        return f"{answer.status} method"
    if answer.status == 400 and "problem" not in answer.header("content-type"):
        return "400 parser"
    if view is None:
        return _nothing(world, asked, answer)
    if not view.sure and answer.status == 409:
        return "409 address"
    return judge_relaxed(world, asked, answer, view, here) if view.relaxed else ""


def _route(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str]) -> str:
    if legacy := LEGACY.fullmatch(view.rest):
        return judge_legacy(world, asked, answer, view, *legacy.groups())
    for prefix, route in _ROUTES.items():
        if view.rest.startswith(prefix):
            return route(world, asked, answer, view, here, view.rest.removeprefix(prefix))
    assert answer.status in ({400, 404} if view.rest.startswith("@") else {308, 404}), (
        f"{asked} is no address, and is answered {answer.status}"
    )
    return f"{answer.status} junk"


def no_leak(world: World, asked: Asked, answer: Answer, view: View | None) -> None:
    """Whatever the route: no mark and no hash of a file that this door does not have."""
    allowed = {item.sha256 for item in view.items.values()} if view else set()
    allowed |= {POOL[key].sha256 for key in view.relaxed} if view else set()
    body = plain_body(answer) if answer.whole else answer.body
    headers = "\n".join(value for _, value in answer.headers).encode()
    named = hashes(body) | hashes(headers)
    found = {sha256 for kind, sha256 in marks(body) if kind != "EVIL" or answer.whole}
    if asked.path.startswith("/candidates/") and world.token in asked.header("authorization"):
        metadata_only = {sha256 for kind, sha256 in marks(body) if kind == "META"}
        found, named = found - metadata_only, set()
    if any(kind == "EVIL" for kind, _ in marks(body)) and answer.whole:
        raise LeakError(f"{asked} came to its end with bytes that a source put in place of a file")
    if found - allowed or named - allowed:
        files = sorted(item.key for item in POOL.values() if item.sha256 in (found | named) - allowed)
        raise LeakError(f"{asked} is answered {answer.status} with what is not approved there: {files}")


def well_formed(asked: Asked, answer: Answer) -> None:
    """One length, no more status than is due, problems that say what to do, a name for the log."""
    if asked.method == "HEAD" or answer.status == 304:
        assert not answer.body, f"{asked} has a body"
    elif answer.whole and answer.header("content-length"):
        assert int(answer.header("content-length")) == len(answer.body), asked
    assert answer.status != 500, f"{asked}: {answer.body!r}"
    if "problem+json" in answer.header("content-type") and asked.method != "HEAD":
        told = json.loads(answer.body)
        assert told["status"] == answer.status, told
        assert told["title"], told
    assert "\n" not in "".join(value for _, value in answer.headers)


def _nothing(world: World, asked: Asked, answer: Answer) -> str:
    """Judge what is at no door."""
    if asked.path.startswith("/w/"):
        limit = {503} if not world.model.reached else {400, 404, 409}
        assert answer.status in limit | {404}, f"{asked} is answered {answer.status}"
    return f"{answer.status} elsewhere"


def _tombstone(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str], rest: str) -> str:
    assert answer.status in {403, 404}, f"{asked} is answered {answer.status}"
    return f"{answer.status} tombstone"


_ROUTES = {"pypi/files/": judge_file, "pypi/simple/": judge_page, "denied/": _tombstone}
