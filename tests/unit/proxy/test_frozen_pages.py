"""Frozen pages are shared, bounded, and never in the way of the present ones."""

import asyncio
from datetime import timedelta

from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.exchange import Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.pages import book as book_module
from sekisho_proxy.pages.book import Book
from sekisho_proxy.pages.built import BuiltPage
from sekisho_proxy.pages.value import ProjectList
from sekisho_proxy.shelf import Shelf
from sekisho_proxy.upstream.fetcher import make_client
from sekisho_proxy.upstream.reach import Reach
from sekisho_proxy.upstream.sources import Upstreams
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot

MANY = 40
HOUR = timedelta(hours=1)


def _shop(folder):
    """A book over a history in which numpy grows with every fourth snapshot and six comes with the last."""
    last, entries = None, []
    for number in range(MANY):
        if number % 4 == 0:
            entries.append(signed(artifact(release=f"{number}.0"), id=f"a{number}"))
        if number == MANY - 1:
            entries.append(signed(artifact("six", "1.17.0"), id="six"))
        last = succeed(last, snapshot(*entries, revision=f"{number:08x}", made=NOW + number * HOUR))
    trust = folder / "trust.json"
    trust.write_text(TRUST.dump())
    held = Held(folder / "snapshot.json", trust, lambda: last.made)
    assert asyncio.run(held.offer(seal_snapshot(last, SIGNER).canonical(), store=False))
    gate = Gate(held, "http://portal.invalid")
    upstreams = Upstreams(make_client(1.0), DiskCache(folder / "pages"), timeout=1.0)
    holdings = Holdings(folder, held.present, upstreams)
    return gate, Book(held, gate, holdings, Reach(held, holdings, upstreams)), last


def _json(page):
    request = Request("GET", "/", {b"accept": b"application/vnd.pypi.simple.v1+json"}, None)
    return asyncio.run(page.answer(request)).body


def test_a_thousand_dates_share_a_few_pages(tmp_path):
    gate, book, last = _shop(tmp_path)
    now = last.made
    present = book.project(View("everyone"), "numpy", now)
    found = {}
    for minutes in range(0, 60 * (MANY - 1), 7):
        at = (NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
        view = gate.frozen("everyone", at)
        page = book.project(view, "numpy", now)
        found.setdefault(_json(page), page)
        assert page is found[_json(page)]
        assert _json(page).count(b'"yanked":false') == (view.as_of or MANY - 1) // 4 + bool(
            (view.as_of or MANY - 1) % 4
        )
    assert len(found) == MANY // 4
    assert len(book._frozen) == MANY // 4 - 1
    assert book.project(gate.frozen("everyone", last.revision), "numpy", now) is present
    assert len(gate._addresses) <= 1024


def test_frozen_refusals_name_their_own_date_and_take_no_room(tmp_path):
    gate, book, last = _shop(tmp_path)
    told = {_json(book.project(gate.frozen("everyone", entry.revision), "six", last.made)) for entry in last.history}
    assert len(told) == len(last.history)
    assert all(b"not-approved-then" in body for body in told)
    assert (len(book._pages), len(book._frozen)) == (0, 0)


def test_frozen_lists_are_bounded_and_leave_the_present_pages_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(book_module, "_MOST_FROZEN_ROWS", 12)
    gate, book, last = _shop(tmp_path)
    present = book.projects(View("everyone"), last.made), book.project(View("everyone"), "numpy", last.made)
    for entry in last.history:
        assert b'"six"' not in _json(book.projects(gate.frozen("everyone", entry.revision), last.made))
        assert book._frozen.weight <= 12
    assert 0 < len(book._frozen) <= 6
    assert (book.projects(View("everyone"), last.made), book.project(View("everyone"), "numpy", last.made)) == present


def test_frozen_doors_stand_on_the_index_of_the_present_one(tmp_path):
    gate, _, last = _shop(tmp_path)
    present = gate.door(View("everyone"))
    for entry in last.history:
        assert gate.door(View("everyone", entry.sequence))._shelves is present._shelves
    assert len(gate._held.index().doors) == 1


def test_a_shelf_drops_what_was_asked_for_least_lately_and_keeps_nothing_heavier_than_itself():
    shelf, page = Shelf(5), BuiltPage(ProjectList(()))
    shelf.put("a", page, None, weight=2)
    shelf.put("b", page, NOW, weight=2)
    assert shelf.find("b", NOW - HOUR) is page
    assert shelf.find("b", NOW) is None
    shelf.put("a", page, None, weight=3)
    assert (shelf.weight, len(shelf)) == (5, 2)
    assert shelf.find("b", NOW - HOUR) is page
    shelf.put("c", page, None, weight=1)
    assert shelf.find("a", NOW) is None
    assert shelf.get("b") is page
    assert shelf.find("b", NOW) is None
    shelf.put("d", page, None, weight=6)
    assert shelf.find("d", NOW) is None
    assert (shelf.weight, len(shelf)) == (3, 2)
    shelf.clear()
    assert (shelf.weight, len(shelf)) == (0, 0)
