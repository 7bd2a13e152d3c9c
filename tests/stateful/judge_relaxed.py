"""The judge of doors that do not enforce: whatever a source lists may be had, and nothing that is barred in every mode."""

import json
from urllib.parse import unquote

from tests.stateful.judge_files import expected_part, fetchable
from tests.stateful.judge_pages import LEGACY
from tests.stateful.messages import Answer, Asked
from tests.stateful.pool import BY_PATH, POOL, Item
from tests.stateful.reading import rows
from tests.stateful.spellings import target
from tests.stateful.view import LeakError, View
from tests.stateful.world import World

FAILED = {404, 502, 503, 504, 507}


def judge_relaxed(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str]) -> str:
    """Judge what ``no_leak`` has let pass already: right bytes, and what a healthy source lists is there."""
    if view.rest.startswith("pypi/files/"):
        return _file(world, asked, answer, view, here, view.rest.removeprefix("pypi/files/"))
    if view.rest.startswith("pypi/simple/") and view.rest.count("/") == 3 and view.rest.endswith("/"):
        return _page(world, asked, answer, view, view.rest.split("/")[2])
    if LEGACY.fullmatch(view.rest):
        assert answer.status in {200, 304, 403, 404, 406, *FAILED}, f"{asked} is answered {answer.status}"
        return f"{answer.status} relaxed legacy"
    return f"{answer.status} relaxed"


def listed(world: World, view: View, project: str) -> dict[str, Item] | None:
    """Return by file name what a page must list; nothing can be said while a source of the project fails."""
    tree = world.model.tree
    sources = tree.asked(project)
    if any(world.outside.faults[source] for source in sources):
        return None
    having = [source for source in sources if any((i.source, i.project) == (source, project) for i in POOL.values())]
    found = {
        item.filename: item
        for item in POOL.values()
        if item.project == project and item.source in having[:1] and item.key in view.relaxed
    }
    return found | {item.filename: item for item in view.items.values() if item.project == project}


def _page(world: World, asked: Asked, answer: Answer, view: View, project: str) -> str:
    if answer.status != 200 or asked.method == "HEAD":
        assert answer.status in {200, 304, 404, 406, *FAILED}, f"{asked} is answered {answer.status}"
        return f"{answer.status} relaxed page"
    real = {row.filename: row for row in rows(target(asked.path), answer) if "/denied/" not in row.path}
    expected = listed(world, view, project)
    if expected is None or not expected:
        return "200 relaxed page of a failing source"
    assert answer.header("sekisho-mode") == dict(world.model.tree.modes)[view.workspace], asked
    twice = {item.filename for item in POOL.values() if item.project == project}  # two files may have one name
    assert real.keys() == expected.keys() & twice, f"{asked} lists {sorted(real)}, not {sorted(expected)}"
    return "200 relaxed page"


def _file(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str], path: str) -> str:
    bare = path.removesuffix(".metadata").removesuffix(".provenance")
    items = [item for item in BY_PATH.get(bare, ()) if item.key in view.items or item.key in view.relaxed]
    if not items:
        assert answer.status in {400, 403, 404, *FAILED}, f"{asked} is answered {answer.status}"
        return "403 relaxed file"
    if bare != path or asked.header("if-none-match"):
        return f"{answer.status} relaxed {'file' if bare == path else 'beside'}"
    if answer.status in {200, 206, 416} and answer.whole:
        parts = [(item, expected_part(asked, item, f'"{item.sha256}"')) for item in items]
        right = [part for item, part in parts if f'"{item.sha256}"' == answer.header("etag") or part[0] == 416]
        if not any(
            answer.status == status and (asked.method == "HEAD" or answer.body == data) for status, data, _ in right
        ):
            raise LeakError(f"{asked}: {answer.status} with bytes that are not those of {items}")
        return f"{answer.status} relaxed file"
    if not answer.whole:
        return "cut relaxed file"
    lone = len(items) == 1 and len(BY_PATH[bare]) == 1
    healthy = lone and listed(world, view, items[0].project) is not None and fetchable(world, items[0])
    assert not healthy, f"{asked}: {items} could be had, and is answered {answer.status} {_told(answer)}"
    return f"{answer.status} relaxed file"


def _told(answer: Answer) -> str:
    return unquote(json.dumps(answer.body[:300].decode(errors="replace")))
