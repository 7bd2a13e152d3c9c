"""The judge of pages: whatever the form, nothing more than the door has, and nothing less."""

import re
from urllib.parse import unquote, urlsplit

from tests.stateful.messages import Answer, Asked
from tests.stateful.model import INDEX
from tests.stateful.pool import BY_SHA256, Item, hashes
from tests.stateful.reading import legacy_rows, own_names, projects, rows
from tests.stateful.spellings import target
from tests.stateful.view import LeakError, View
from tests.stateful.world import World

_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
LEGACY = re.compile(r"pypi/(?:simple/pypi/|pypi/|(?!simple/|files/|pypi/))([^/]{1,200})/(?:([^/]{1,200})/)?json/?")


def listed(world: World, view: View, away: set[str]) -> dict[str, Item]:
    """Return what pages list: all that the door has, and of a source that is away only what is here."""
    unsure = {item.source for item in view.items.values()} if world.settings.replica else away
    return {
        key: item
        for key, item in view.items.items()
        if item.source not in unsure or world.here(item.sha256)
    }  # fmt: skip


def certain(view: View, had: dict[str, Item]) -> list[Item]:
    """Return what is listed for sure: a path that two sources share may lead to the one that is away."""
    away = {item.where for key, item in view.items.items() if key not in had}
    return [item for item in had.values() if item.where not in away]


def away(world: World) -> set[str]:
    """Return the sources that the proxy says it cannot reach; there must be a reason for each."""
    if not world.outside.faulty_since_start:
        return set()
    found = world.told_away
    assert found <= world.outside.faulty_since_start & set(INDEX), f"{found} are away, and never were"
    return found


def judge_page(world: World, asked: Asked, answer: Answer, view: View, here: frozenset[str], rest: str) -> str:
    name, slash, more = rest.partition("/")
    if more or (slash and not name) or (name and not _is_name(name)):
        assert answer.status == 404, f"{asked} is answered {answer.status}"
        return "404 page"
    if name and not slash:
        assert answer.status == 308, f"{asked} is answered {answer.status}"
        normal = _normal(name)
        assert answer.header("location") == target(f"{view.door}pypi/simple/{normal}/"), asked
        return "308 page"
    if answer.status == 406:
        assert asked.header("accept") or asked.header("accept-encoding"), asked
    if answer.status in {304, 406} or asked.method == "HEAD":
        return f"{answer.status} page"
    assert answer.status == 200, f"{asked} is answered {answer.status}"
    had = listed(world, view, away(world))
    page = target(asked.path)
    if not name:
        assert sorted(projects(page, answer)) == sorted({item.project for item in had.values()}), asked
        return "200 projects"
    return _rows(asked, answer, view, page, had, _normal(name))


def _rows(asked: Asked, answer: Answer, view: View, page: str, had: dict[str, Item], project: str) -> str:
    """A page lists exactly the door's files of its project; all else on it is a tombstone, which nobody can have."""
    expected = {(item.filename, f"{view.door}pypi/files/{item.where}", item.sha256) for item in had.values()
                if item.project == project}  # fmt: skip
    found = rows(page, answer)
    for row in found:
        own = {"", f"/w/{view.workspace}/pypi/files/{_where(row.sha256)}.provenance"}
        assert row.provenance.partition("//")[2].partition("/")[0] in {"", *own_names(asked)}, row
        assert unquote(urlsplit(row.provenance).path) in own, row
    tombs = [row for row in found if row.path.startswith(f"{view.door}denied/")]
    real = [(row.filename, row.path, row.sha256) for row in found if row not in tombs]
    assert all(row.yanked and not hashes(row.sha256.encode()) for row in tombs), tombs
    if set(real) - expected:
        raise LeakError(f"{asked} lists what the door does not have: {set(real) - expected}")
    places = {path for _, path, _ in expected}  # two sources may have a file of the same path, which leads to one
    assert len(real) == len({path for _, path, _ in real} & places), f"{asked} lists a place twice"
    sure = {f"{view.door}pypi/files/{item.where}" for item in certain(view, had) if item.project == project}
    assert {path for _, path, _ in real} >= sure, f"{asked} does not list {expected - set(real)}"
    assert real or tombs, f"{asked} does not say why there is nothing"
    return "200 page" if real else "200 tombstones"


def _where(sha256: str) -> str:
    return BY_SHA256[sha256].where if sha256 in BY_SHA256 else ""


def judge_legacy(world: World, asked: Asked, answer: Answer, view: View, name: str, release: str | None) -> str:
    """The legacy JSON API has the same files as the page, and is refused like a file."""
    if not _is_name(name):
        assert answer.status == 404, f"{asked} is answered {answer.status}"
        return "404 legacy"
    project = _normal(name)
    had = listed(world, view, away(world))
    theirs = [item for item in had.values() if item.project == project and release in {None, item.release}]
    if answer.status in {304, 406}:
        return f"{answer.status} legacy"
    sure = {f"{view.door}pypi/files/{item.where}" for item in certain(view, had) if item in theirs}
    if not theirs or (not sure and answer.status != 200):
        hidden = any(item.project == project for item in view.items.values())
        assert answer.status in ({403, 503} if hidden else {403}), f"{asked} is answered {answer.status}"
        return f"{answer.status} legacy"
    assert answer.status == 200, f"{asked} is answered {answer.status}: {answer.body[:300]!r}"
    if asked.method == "HEAD":
        return "200 legacy"
    expected = {(item.filename, f"{view.door}pypi/files/{item.where}", item.sha256) for item in theirs}
    whole, newest = legacy_rows(asked, answer)
    found = {path for _, path, _ in (newest if release else whole)}
    if set(whole) | set(newest) > expected:
        raise LeakError(f"{asked} lists what the door does not have: {(set(whole) | set(newest)) - expected}")
    assert sure <= found <= {path for _, path, _ in expected}, f"{asked} lists {found}, not {expected}"
    return "200 legacy"


def _is_name(name: str) -> bool:
    return len(name) <= 200 and bool(_NAME.fullmatch(name))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
