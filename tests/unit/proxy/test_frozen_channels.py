"""Frozen doors of channels: dates are made up by whoever asks, and cost no more than a bounded room."""

import asyncio
import gc
import json
import weakref
from datetime import timedelta

from sekisho.policy.frozen import succeed
from sekisho.policy.sealing import seal_snapshot
from sekisho.policy.snapshot import InForce
from sekisho_proxy.conda import book as book_module
from sekisho_proxy.conda.book import ChannelBook
from sekisho_proxy.exchange import Request
from sekisho_proxy.follow import Held
from sekisho_proxy.gate import Gate, View
from sekisho_proxy.holdings import Holdings
from tests.records import NOW, SIGNER, TRUST, package, signed, snapshot

HOUR = timedelta(hours=1)
FORMS = ("repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "run_exports.json")


class Full(Holdings):
    """Every file is here."""

    def has(self, _):
        return True


class Shop:
    """A book of a channel that grew with each of ``dates`` snapshots, beginning with ``files`` of it."""

    def __init__(self, folder, files, dates):
        depends = [f"lib{number} >={number}" for number in range(12)]
        old = [package(f"n{number // 20}", f"1.{number % 20}", depends=depends) for number in range(files)]
        entries = [
            signed(*old, id="old"),
            *(signed(package("grows", f"{one}.0"), id=f"g{one}") for one in range(dates)),
        ]
        line = tuple(InForce(f"{one:08x}", one + 1, NOW + one * HOUR) for one in range(dates + 1))
        since = ((1,) * files, *((one + 2,) for one in range(dates)))
        last = snapshot(
            *entries, revision=line[-1].revision, sequence=dates + 1, made=line[-1].made, history=line[:-1], since=since
        )
        trust = folder / "trust.json"
        trust.write_text(TRUST.dump())
        held = Held(folder / "snapshot.json", trust, lambda: last.made)
        assert asyncio.run(held.offer(seal_snapshot(last, SIGNER).canonical(), store=False))
        self.gate = Gate(held, "http://portal.invalid")
        self.book = ChannelBook(held, self.gate, Full(folder, held.present, None), None)
        self.now, self.line = last.made, line

    def ask(self, view, *forms, coding=b"gzip"):
        """Return the bodies of representations."""

        async def work():
            channel = await self.book.channel(view, "forge", self.now)
            request = Request("GET", "/", {b"accept-encoding": coding}, None)
            return [(await channel.subdir("linux-64").answer(request, form)).body for form in forms]

        return asyncio.run(work())

    def files(self, view):
        [body] = self.ask(view, "repodata.json", coding=b"identity")
        return len(json.loads(body)["packages.conda"])

    def dates(self):
        return [self.gate.frozen("everyone", entry.revision) for entry in self.line]


def test_frozen_decisions_are_bounded_by_their_rows_and_leave_the_present_one_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(book_module, "_MOST_FROZEN_ROWS", 100)
    shop = Shop(tmp_path, 20, 12)
    present = asyncio.run(shop.book.channel(View("everyone"), "forge", shop.now))
    for number, view in enumerate(shop.dates()):
        assert shop.files(view) == 20 + number
        assert shop.book._frozen.weight <= 100
    assert 1 < len(shop.book._frozen) <= 4
    assert asyncio.run(shop.book.channel(View("everyone"), "forge", shop.now)) is present


def test_the_date_that_is_asked_for_again_and_again_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(book_module, "_MOST_FROZEN_ROWS", 100)
    shop = Shop(tmp_path, 20, 12)
    usual, *others = shop.dates()
    first = asyncio.run(shop.book.channel(usual, "forge", shop.now))
    for view in others:
        shop.files(view)
        assert asyncio.run(shop.book.channel(usual, "forge", shop.now)) is first


def test_a_channel_beyond_the_bound_is_kept_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(book_module, "_MOST_FROZEN_ROWS", 10)
    shop = Shop(tmp_path, 20, 3)
    for view in shop.dates()[:3]:
        found = asyncio.run(shop.book.channel(view, "forge", shop.now))
        assert asyncio.run(shop.book.channel(view, "forge", shop.now)) is found
        assert len(shop.book._frozen) == 1


def test_moments_between_two_changes_share_one_decision(tmp_path):
    shop = Shop(tmp_path, 20, 3)
    moments = [(NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z") for minutes in range(0, 180, 7)]
    for at in moments:
        shop.files(shop.gate.frozen("everyone", at))
    assert len(shop.book._frozen) == 3


def test_a_policy_that_was_in_force_goes_without_the_collector_of_cycles(tmp_path):
    shop = Shop(tmp_path, 20, 3)
    held = shop.gate._held
    held.preparing.append(shop.book.prepare)
    shop.ask(View("everyone"), *FORMS)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            old = weakref.ref(held.index())
            new = seal_snapshot(succeed(held.present(), held.present()), SIGNER)
            assert asyncio.run(held.offer(bytearray(new.canonical()), store=True))
            shop.ask(View("everyone"), *FORMS)
            assert old() is None
    finally:
        gc.enable()
