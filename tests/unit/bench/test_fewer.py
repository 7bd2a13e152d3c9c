"""The figure of new files, over a tape of four releases: real uv, loopback only."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from bench.judging.fewer import People, compare, without_advisories
from bench.judging.tape import Tape
from bench.judging.wanted import EARLIER, NOW
from tests.wheels import make_wheel

TAKEN = datetime(2026, 11, 1, tzinfo=UTC)
LONG_AGO, LATELY = TAKEN - timedelta(days=200), TAKEN - timedelta(days=20)
WHEELS = [
    (make_wheel("app", "1.0", requires=("lib",)), LONG_AGO),
    (make_wheel("lib", "1.0"), LONG_AGO),
    (make_wheel("lib", "2.0"), LATELY),
    (make_wheel("tool", "1.0", requires=("lib",)), LONG_AGO),
    (make_wheel("tool", "2.0", requires=("lib",)), TAKEN - timedelta(days=1)),
]


@pytest.fixture
def tape(tmp_path):
    for kind in ("pages", "metadata"):
        (tmp_path / kind).mkdir()
    (tmp_path / "taken").write_text(TAKEN.isoformat())
    for project in {wheel.project for wheel, _ in WHEELS}:
        rows = [
            {
                "filename": wheel.filename,
                "url": f"https://files.invalid/{wheel.path}",
                "hashes": {"sha256": wheel.sha256},
                "size": len(wheel.data),
                "upload-time": uploaded.isoformat().replace("+00:00", "Z"),
            }
            for wheel, uploaded in WHEELS
            if wheel.project == project
        ]
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": rows}
        (tmp_path / "pages" / project).write_bytes(gzip.compress(json.dumps(page).encode()))
    for wheel, _ in WHEELS:
        (tmp_path / "metadata" / wheel.sha256).write_bytes(gzip.compress(wheel.metadata))
    return Tape(tmp_path)


def test_what_is_approved_is_not_asked_for_again_and_nothing_young_is(tape):
    with tape.playing() as url:
        people = People(tape, url, without_advisories())
        rows = compare(people, {"one": ("app",)}, {"two": ("tool",), "none": ("tool>9",)}, TAKEN - timedelta(days=90))
    new, share, lost, young, _ = rows
    assert (new.value, new.peers) == (1, {"uv": 2})  # tool 1.0 and lib 1.0, which is approved; uv takes both anew
    assert (share.value, lost.value) == (0.5, 0)
    assert (young.value, young.peers) == (0, {"uv": 1})
    assert "1 of 2 requirement sets" in new.note
    assert tape.missed == set()


def test_what_the_tape_lacks_is_said_and_not_made_up(tape, tmp_path):
    (tmp_path / "pages" / "lib").unlink()
    with tape.playing() as url:
        assert People(tape, url, without_advisories()).ask(("tool",)) is None
    assert tape.missed == {"pages/lib"}


def test_there_are_enough_requirement_sets_and_none_is_asked_twice():
    assert len(NOW) >= 30
    assert len({tuple(sorted(wanted)) for wanted in (*EARLIER.values(), *NOW.values())}) == len(EARLIER) + len(NOW)
