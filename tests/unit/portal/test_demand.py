import re
import uuid
from datetime import timedelta

import pytest

from sekisho.model import MOST_COUNT, OTHERS, DemandBatch, DemandRow
from sekisho_portal import demand as table
from sekisho_portal.reasons import explain
from tests.records import NOW
from tests.unit.portal.house import NUMPY


def row(project="numpy", release="", *, count=1, day=0, **more):
    at = NOW + timedelta(days=day)
    return DemandRow(
        **({"project": project, "release": release, "rule": "not-approved", "count": count} | more), first=at, last=at
    )


def batch(*rows, proxy="a" * 32):
    return DemandBatch(proxy=proxy, id=uuid.uuid4().hex, rows=rows)


def shown(house):
    total, rows = house.desk.demand.most_wanted(limit=1000)
    assert total == len(rows)
    return [(one.project, one.release, one.count) for one in rows]


def test_batches_add_up_and_the_most_wanted_is_first(house):
    house.desk.demand.take(batch(row(), row("six", count=5), row(release="1.0", workspace="team-a")))
    house.desk.demand.take(batch(row("six", count=2, day=2), proxy="b" * 32))
    assert shown(house) == [("six", "", 7), ("numpy", "", 1), ("numpy", "1.0", 1)]
    first = house.desk.demand.most_wanted(limit=1)[1][0]
    assert (first.first, first.last) == (NOW, NOW + timedelta(days=2))
    assert house.desk.demand.most_wanted(limit=1, offset=1)[1][0].project == "numpy"


def test_a_batch_counts_once_even_after_a_restart(house):
    sent = batch(row(count=3))
    assert [house.desk.demand.take(sent), house.desk.demand.take(sent)] == [True, False]
    house.open()
    assert not house.desk.demand.take(sent)
    assert house.desk.demand.take(sent.model_copy(update={"proxy": "c" * 32}))
    assert shown(house) == [("numpy", "", 6)]


def test_counts_that_would_grow_too_large_to_be_read_end_where_they_are(house):
    for _ in range(2):
        releases = [row("numpy", str(number), count=MOST_COUNT) for number in range(9)]
        house.desk.demand.take(batch(*releases, row(OTHERS, count=MOST_COUNT)))
    assert {count for _, _, count in shown(house)} == {MOST_COUNT}
    assert house.desk.demand.refused("everyone", "pypi", "numpy", None).count == 9 * MOST_COUNT


def test_batches_are_forgotten_from_the_oldest(house, monkeypatch):
    monkeypatch.setattr(table, "_BATCHES", 3)
    sent = [batch(row()) for _ in range(5)]
    for one in sent:
        assert house.desk.demand.take(one)
    assert not any(house.desk.demand.take(one) for one in sent[2:])
    with house.ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from demand_batches").scalar() == 3


def test_a_flood_of_names_leaves_the_table_bounded_and_what_is_really_wanted_in_it(house, monkeypatch):
    monkeypatch.setattr(table, "MOST", 100)
    monkeypatch.setattr(table, "_KEEP", 80)
    house.desk.demand.take(batch(row("wanted", count=9)))
    for flood in range(10):
        house.desk.demand.take(batch(*(row(f"junk-{flood}-{number}", day=1) for number in range(50))))
        assert len(shown(house)) <= 100
    rows = shown(house)
    assert ("wanted", "", 9) in rows
    assert rows[-1][0] == OTHERS
    assert sum(count for _, _, count in rows) == 9 + 500


def test_why_says_how_often_it_was_refused(house):
    house.desk.demand.take(
        batch(row(count=11), row(release="1.0", day=3), row(release="2.0", count=5, workspace="team-a"))
    )
    lines = explain(house.desk, house.snapshots, "numpy", None, "everyone")["lines"]
    assert "  refused 12 times since 2026-11-01, the last time on 2026-11-04" in lines
    found = explain(house.desk, house.snapshots, "numpy", "2.0", "everyone")
    assert found["demand"]["count"] == 11
    assert explain(house.desk, house.snapshots, "six", None, "everyone")["demand"] is None


def test_the_api_takes_and_lists(web):
    sent = batch(row("six", count=2)).plain()
    assert web.call("POST", "/api/demand", "service", json=sent).json() == {"new": True}
    assert web.call("POST", "/api/demand", "service", json=sent).json() == {"new": False}
    told = web.call("GET", "/api/demand?limit=1", "rita").json()
    assert (told["total"], told["rows"][0]["project"], told["rows"][0]["count"]) == (1, "six", 2)
    for wrong in ("limit=0", "limit=1001", "offset=-1"):
        assert web.call("GET", f"/api/demand?{wrong}", "rita").status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"project": "<b>"}, {"project": "Six"}, {"project": "x" * 201}, {"release": "1\n"}, {"release": "x" * 65},
        {"workspace": "../x"}, {"rule": "<script>"}, {"count": 0}, {"count": 2**60}, {"more": 1},
    ],
)  # fmt: skip
def test_a_batch_with_a_name_that_is_none_is_refused(web, change):
    sent = batch(row()).model_dump(mode="json")
    sent["rows"][0] |= change
    assert web.call("POST", "/api/demand", "service", json=sent).status_code == 400
    assert shown(web.house) == []


def test_a_whole_batch_fits_and_a_larger_one_does_not(web):
    rows = [row(f"{'x' * 190}-{number}", "1." + "0" * 60, workspace="w" * 60, rule="r" * 60) for number in range(1000)]
    sent = batch(*rows).plain()
    assert web.call("POST", "/api/demand", "service", json=sent).json() == {"new": True}
    sent = {**sent, "id": "0" * 32, "rows": [*sent["rows"], sent["rows"][0]]}
    assert web.call("POST", "/api/demand", "service", json=sent).status_code == 400


def test_the_page_lists_what_is_wanted_with_a_link_to_ask(web):
    rows = [row("six", "1.17.0", count=4), row(OTHERS, rule="others"), row(day=-5, count=2)]
    web.house.desk.demand.take(batch(*rows))
    web.house.approve(web.house.waiting(NUMPY))
    assert web.visit(None).get("/demand").headers["location"] == "/login?then=/demand"
    visitor = web.visit("rita")
    page = visitor.get("/demand").text
    links = re.findall(r'href="(/requests/new\?project=[^"]*)"', page)
    assert links == ["/requests/new?project=six%3D%3D1.17.0", "/requests/new?project=numpy"]
    assert "six==1.17.0" in visitor.get(links[0]).text
    assert page.count("approved since") == 1
    assert "other names" in page
    assert 'href="/demand"' in visitor.get("/").text


def test_the_page_has_pages(web):
    visitor = web.visit("rita")
    assert "Nothing was refused yet" in visitor.get("/demand").text
    web.house.desk.demand.take(batch(*(row(f"p{number}", count=1000 - number) for number in range(150))))
    first = visitor.get("/demand").text
    assert "Rows 1 to 100 of 150" in first
    assert 'href="/demand?offset=100"' in first
    assert "Rows 101 to 150 of 150" in visitor.get("/demand?offset=100").text
    assert "There are no more rows" in visitor.get("/demand?offset=900").text
