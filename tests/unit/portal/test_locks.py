"""Which locks hold something, and what a tool answered as a lock."""

import pytest

from sekisho.errors import BadInputError
from sekisho.lock import Lock, lock_digest, make_lock, to_requirements
from sekisho.model import conda_artifact
from sekisho_portal.held import find_held, read_sought
from sekisho_portal.lock_index import LockIndex
from sekisho_portal.locking import lock_request
from tests.advisories import osv, packed
from tests.records import TARGET, artifact, sha
from tests.unit.portal.house import ADA, NUMPY, PASSED, SIX

OLD = artifact("six", "1.16.0")
CVE = "CVE-2026-1000"


def locked(house, *artifacts, name="web", workspace="everyone"):
    """Take a request as far as its lock, and return (request, lock)."""
    request = house.propose(*artifacts, workspace=workspace)
    if house.state(request) == "waiting":
        house.approve(request)
    approvals = [signed.approval for signed in house.snapshots.current().approvals]
    closure = house.desk.standing(request).closure()
    lock = make_lock(name, closure, approvals, workspace=workspace, now=house.clock())
    house.report(request, "locked", lock=lock.plain())
    return request, lock


def held(house, what, **more):
    asked = {"workspace": None, "limit": 100} | more
    desk = house.desk
    return find_held(desk.locks, desk.feeds.index, read_sought(what), desk.sightings.containing, **asked)


def names(found):
    return [row["name"] for row in found["locks"]]


@pytest.fixture
def three(house):
    """Three locks: two of this six, one of an older one."""
    return [locked(house, NUMPY, SIX), locked(house, SIX, name="lab"), locked(house, OLD, name="old")]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("six", ["old", "lab", "web"]),
        ("SIX", ["old", "lab", "web"]),
        ("pypi:six", ["old", "lab", "web"]),
        ("conda:six", []),
        ("six==1.17", []),
        ("six==1.17.0", ["lab", "web"]),
        ("six==v1.17.0", ["lab", "web"]),
        (SIX.sha256, ["lab", "web"]),
        (f"sha256:{SIX.sha256}", ["lab", "web"]),
        (SIX.purl, ["lab", "web"]),
        ("pkg:pypi/six@1.16.0", ["old"]),
        ("pkg:pypi/six", ["old", "lab", "web"]),
        ("pkg:pypi/six@1.17.0?file_name=other.whl", []),
        ("numpy", ["web"]),
        ("nothing", []),
        (sha("nothing"), []),
    ],
)
def test_locks_are_found_by_name_release_hash_and_package_url(house, three, what, expected):
    found = held(house, what)
    assert names(found) == expected
    assert found["total"] == len(expected)
    assert bool(found["files"]) == bool(expected)


def test_a_row_says_whose_lock_it_is_and_which_image_was_made_of_it(house):
    request, lock = locked(house, NUMPY, SIX)
    (row,) = held(house, "six")["locks"]
    assert row == {
        "request": request,
        "name": "web",
        "workspace": "everyone",
        "digest": lock_digest(lock),
        "image": None,
        "holds": ["six 1.17.0"],
    }
    image = {"registry": "reg.invalid", "repository": "web", "manifest": "ab" * 32}
    house.report(request, "gated", gates=PASSED)
    house.report(request, "delivered", image=image)
    assert held(house, "six")["locks"][0]["image"] == f"reg.invalid/web@sha256:{'ab' * 32}"
    house.report(request, "rebased", before="ab" * 32, assembly={}, gates=PASSED, image=image | {"manifest": "cd" * 32})
    assert held(house, "six")["locks"][0]["image"] == f"reg.invalid/web@sha256:{'cd' * 32}"


def test_a_workspace_and_a_limit_narrow_the_answer(house, three):
    assert names(held(house, "six", workspace="everyone")) == ["old", "lab", "web"]
    assert names(held(house, "six", workspace="lab")) == []
    found = held(house, "six", limit=1)
    assert (names(found), found["total"]) == (["old"], 3)


def test_locks_are_found_by_what_is_known_against_them(house, three):
    data = packed(osv(CVE, "six", versions=("1.16.0",), aliases=("PYSEC-2026-1",)))
    house.desk.take_feed(ADA, "osv", data.getvalue(), "all.zip")
    for name in (CVE, "PYSEC-2026-1"):
        found = held(house, name)
        assert names(found) == ["old"]
        assert [row["release"] for row in found["files"]] == ["1.16.0"]
        assert found["known"]
    assert not held(house, "CVE-1999-1")["known"]


def test_the_index_is_made_again_from_the_ledger(house, three):
    before = held(house, "six")
    engine = house.desk.locks._engine
    with engine.begin() as connection:
        for table in ("lock_holds", "locked_files", "locks"):
            connection.exec_driver_sql(f"delete from {table}")
    again = LockIndex(engine, house.ledger)
    house.desk.locks = again
    assert held(house, "six") == before
    assert again.count() == 3


def test_two_portals_on_one_database_take_a_lock_once(house, three):
    other = LockIndex(house.desk.locks._engine, house.ledger)
    other.follow()
    house.desk.locks.follow()
    assert other.count() == house.desk.locks.count() == 3
    assert held(house, "six")["total"] == 3


def test_what_was_approved_for_no_image_is_a_lock_too_until_one_is_on_record(house):
    request = house.waiting(NUMPY, SIX)
    assert held(house, "six")["total"] == 0
    house.approve(request)
    (row,) = held(house, "six")["locks"]
    assert (row["request"], row["name"], row["holds"]) == (request, request, ["six 1.17.0"])
    given = lock_request(house.desk, request)
    assert row["digest"] == lock_digest(given)
    house.report(request, "locked", lock=given.model_copy(update={"name": "web"}).plain())
    assert names(held(house, "six")) == ["web"]


def test_conda_packages_are_found_by_their_own_names(house):
    record = {"name": "six", "version": "1.17.0", "build": "0", "sha256": sha("x"), "size": 1}
    package = conda_artifact("forge", "six-1.17.0-0.conda", record, subdir="noarch")
    lock = Lock(
        name="mixed",
        closure=sha("c"),
        workspace="lab",
        target=TARGET,
        direct=(),
        approvals=(),
        artifacts=(package, SIX),
    )
    house.ledger.append("locked", "r1", actor="service", body={"lock": lock.plain()})
    assert [row["kind"] for row in held(house, "six")["files"]] == ["pypi", "conda"]
    assert [row["kind"] for row in held(house, "conda:six==1.17.0")["files"]] == ["conda"]
    assert held(house, "six")["locks"][0]["holds"] == ["six 1.17.0", "six 1.17.0"]


@pytest.mark.parametrize("what", ["", "a b", "six>=1", "pkg:npm/left-pad", "../x", "six==", "x" * 300 + "/"])
def test_what_is_no_name_hash_or_advisory_is_refused(what):
    with pytest.raises(BadInputError) as caught:
        read_sought(what)
    assert caught.value.todo


def test_the_api_says_which_locks_hold_something(web):
    _, lock = locked(web.house, NUMPY, SIX)
    answer = web.call("GET", "/api/locks?what=six", "rita")
    assert (answer.json()["total"], answer.json()["locks"][0]["digest"]) == (1, lock_digest(lock))
    assert web.call("GET", "/api/locks?what=a%20b", "rita").status_code == 400


# What a tool answered from a door.


def told(*packages, **asked):
    rows = [{"project": one, "release": release, "hashes": list(hashes)} for one, release, hashes in packages]
    asked = {"target": TARGET.plain(), "requirements": ["numpy", "six"]} | asked
    return {"asked": asked, "answer": {"resolver": "uv 0", "packages": rows}, "name": "mine"}


def test_an_answer_of_approved_files_becomes_a_lock(web):
    web.house.approve(web.house.waiting(NUMPY, SIX))
    body = told(("numpy", "2.1.0", [NUMPY.sha256, sha("other")]), ("six", "1.17.0", [SIX.sha256]))
    lock = Lock.parse(web.call("POST", "/api/locks", "rita", json=body).json(), where="x")
    assert lock.artifacts == (NUMPY, SIX)
    assert (lock.name, lock.direct) == ("mine", ("numpy", "six"))
    assert NUMPY.sha256 in to_requirements(lock)


def test_what_is_not_approved_with_these_hashes_is_named(web):
    web.house.approve(web.house.waiting(NUMPY, SIX))
    body = told(("numpy", "2.1.0", [sha("other")]), ("six", "1.16.0", [SIX.sha256]), ("evil", "1", [sha("evil")]))
    answer = web.call("POST", "/api/locks", "rita", json=body)
    assert answer.status_code == 403
    assert "3 packages" in answer.json()["title"]
    assert "numpy 2.1.0, six 1.16.0, evil 1" in answer.json()["title"]


def test_an_approval_of_another_workspace_does_not_count(web):
    web.house.approve(web.house.waiting(SIX))
    body = told(("six", "1.17.0", [SIX.sha256]), workspace="lab")
    assert web.call("POST", "/api/locks", "rita", json=body).status_code == 403


@pytest.mark.parametrize("body", [told(), {"asked": {}, "answer": {}}, told(("six", "1", []))])
def test_an_answer_that_is_none_is_refused(web, body):
    assert web.call("POST", "/api/locks", "rita", json=body).status_code == 400
