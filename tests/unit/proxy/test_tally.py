"""Counting refusals: bounded in memory, and only of names that are names."""

import asyncio
import random
from datetime import timedelta

import pytest

from sekisho.model import MOST_COUNT, OTHERS, DemandBatch, DemandRow
from sekisho_proxy.demand.keeper import Keeper
from sekisho_proxy.demand.tally import Tally, record
from sekisho_proxy.refusal import refusal_of, release_of
from tests.fakes import FakeClock, FakeDisk
from tests.records import NOW


@pytest.fixture
def tally():
    return Tally(FakeClock(tick=timedelta(seconds=1)), most=100)


def refusal(project="six", path="", rule="not-approved"):
    return refusal_of("everyone", "pypi", project, rule, path=path)


def counts(tally):
    return {row[0].project: row[1] for row in tally.rows()}


def test_the_same_thing_is_one_row(tally):
    for spelling in ("a-b", "A_b", "a.B"):
        tally.count(refusal(spelling))
    ((_, count, first, last),) = tally.rows()
    assert (count, last - first) == (3, timedelta(seconds=2))


def test_a_flood_of_names_is_bounded_loses_no_count_and_leaves_what_is_really_wanted(tally):
    for _ in range(5):
        tally.count(refusal("wanted"))
    letters = random.Random(1)
    for _ in range(5000):
        tally.count(refusal(f"x{letters.getrandbits(64):x}"))
        assert len(tally.rows()) <= 101
    found = counts(tally)
    assert found["wanted"] == 5
    assert found[OTHERS] > 4000
    assert sum(found.values()) == 5005


@pytest.mark.parametrize("name", ["", "\x00", "a b", "<b>", "-x", "x" * 201, "é", "a\nb", "../x"])
def test_what_is_no_name_is_counted_without_one(tally, name):
    tally.count(refusal(name, path=f"x/{name}-1.0.tar.gz"))
    assert counts(tally) == {OTHERS: 1}
    assert record(tally.rows()[0]).rule == "others"


@pytest.mark.parametrize("release", ["%\\", "1 0", "1.0\n", "<b>", "é", "1" * 65])
def test_what_is_no_release_is_counted_without_one(tally, release):
    tally.count(refusal_of("everyone", "pypi", "six", "not-approved", release=release))
    found = record(tally.rows()[0])
    assert (found.project, found.release) == ("six", "")


@pytest.mark.parametrize(
    ("filename", "release"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", "1.17.0"),
        ("six-1.17.0.tar.gz", "1.17.0"),
        ("six-1.0.POST1.zip", "1.0.post1"),
        ("torch-2.0+CU118-cp311-cp311-linux_x86_64.whl", "2.0+cu118"),
        ("evil-9999!0+refused.by.rule.no.evil.ask.at.host-py3-none-any.whl", ""),
        ("six-1.17.0.exe", ""),
        ("six", ""),
        (f"six-{'1' * 80}.tar.gz", ""),
        (f"six-{'1' * 900}.tar.gz", ""),
        ("six-1.0\n.tar.gz", "1.0"),
    ],
)
def test_the_release_that_a_file_name_states(filename, release):
    assert release_of(filename) == release


def test_a_count_that_is_restored_ends_where_it_is(tally):
    most = DemandRow(project="numpy", rule="not-approved", count=MOST_COUNT, first=NOW, last=NOW)
    tally.restore([most, most])
    assert record(tally.rows()[0]).count == MOST_COUNT


def test_a_batch_is_sent_only_after_it_was_saved_and_stays_until_it_was_taken(tally, tmp_path):
    file, sent, status = tmp_path / "demand.json", [], [503]

    async def send(body):
        batch = DemandBatch.parse_json(body, where="batch")
        assert batch.id in file.read_text()
        sent.append(batch)
        return status[0]

    tally.count(refusal())
    keeper = Keeper(tally, file, send)
    asyncio.run(keeper.step())
    tally.count(refusal())
    again = Tally(FakeClock())
    asyncio.run(keeper.step())
    keeper = Keeper(again, file, send)  # as after a kill
    status[0] = 200
    asyncio.run(keeper.step())
    asyncio.run(keeper.step())
    asyncio.run(keeper.step())
    assert [batch.id for batch in sent[:3]] == [sent[0].id] * 3
    assert [[row.count for row in batch.rows] for batch in sent[2:]] == [[1], [1]]
    assert len({batch.proxy for batch in sent}) == 1
    assert keeper.rows() == []
    assert "six" not in file.read_text()


def test_nothing_is_sent_or_lost_while_nothing_can_be_saved(tally, tmp_path):
    sent = []

    async def send(body):
        sent.append(body)
        return 200

    disk = FakeDisk(full=True)
    keeper = Keeper(tally, tmp_path / "demand.json", send, disk=disk)
    tally.count(refusal())
    asyncio.run(keeper.step())
    assert (sent, [row.count for row in keeper.rows()]) == ([], [1])
    disk.full = False
    asyncio.run(keeper.step())
    assert (len(sent), keeper.rows()) == (1, [])


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_the_portal_cannot_read_does_not_stop_the_next(tally, tmp_path, status):
    async def send(body):
        return status

    keeper = Keeper(tally, tmp_path / "demand.json", send)
    tally.count(refusal())
    asyncio.run(keeper.step())
    assert keeper.rows() == []


def test_a_quiet_proxy_writes_nothing(tally, tmp_path):
    keeper = Keeper(tally, tmp_path / "demand.json", None)
    asyncio.run(keeper.step())
    assert not (tmp_path / "demand.json").exists()
    tally.count(refusal())
    asyncio.run(keeper.step())
    before = (tmp_path / "demand.json").stat().st_mtime_ns
    asyncio.run(keeper.step())
    assert (tmp_path / "demand.json").stat().st_mtime_ns == before
