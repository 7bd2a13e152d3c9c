"""Clocks that are a day off: an approval never holds longer for it, and nothing new comes to be admitted."""

import asyncio
from datetime import timedelta

import httpx2
import pytest

from sekisho.policy.sealing import seal_snapshot
from sekisho.settings import Settings
from sekisho.store import write_atomically
from sekisho_proxy.compose import open_app
from tests.fakes import FakeClock
from tests.records import NOW, SIGNER, TRUST, artifact, signed, snapshot
from tests.wheels import make_wheel

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ENDED, ENDS, STAYS = (make_wheel(name) for name in ("ended", "ends", "stays"))


@pytest.mark.parametrize(
    ("skew", "had"),
    [(-DAY, {"ends", "stays"}), (timedelta(0), {"ends", "stays"}), (DAY, {"stays"})],
    ids=["a day behind", "right", "a day ahead"],
)
def test_an_expiry_holds_with_a_clock_that_is_a_day_off(tmp_path, skew, had):
    """``ended`` ended an hour before the policy was made, ``ends`` will an hour after."""
    ends = {ENDED: NOW - HOUR, ENDS: NOW + HOUR, STAYS: None}
    approvals = [signed(wheel.artifact(source="pypi"), id=wheel.project, expires=end) for wheel, end in ends.items()]
    settings = Settings(data=tmp_path / "data", replica=True)
    sealed = seal_snapshot(snapshot(*approvals), SIGNER).canonical()
    write_atomically(settings.data / "proxy" / "snapshot.json", sealed)
    settings.trust_file.write_text(TRUST.dump())

    async def scenario():
        async with (
            open_app(settings, FakeClock(NOW + skew)) as app,
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client,
        ):
            paths = {wheel.project: f"/w/everyone/pypi/files/{wheel.path}" for wheel in ends}
            return {name: (await client.get(path)).status_code for name, path in paths.items()}

    found = asyncio.run(scenario())
    assert {name for name, status in found.items() if status == 503} == had  # admitted, and in no bundle here
    assert {status for name, status in found.items() if name not in had} == {403}


def test_a_release_from_tomorrow_is_not_old_enough():
    from sekisho.policy.rules import Case, ReleaseAge

    rule = ReleaseAge(id="age", check="release_age", days=7)
    for days, answers in ((-1, True), (6, True), (8, False)):
        found = rule.answer(Case(artifact(uploaded=NOW - timedelta(days=days)), None, NOW))
        assert (found is not None) == answers
