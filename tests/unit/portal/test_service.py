import asyncio
import socket

import httpx2
import pytest

from sekisho.errors import ConflictError, NotFoundError
from sekisho.service_token import read
from sekisho.settings import Settings
from sekisho_portal import service
from tests.allowlists_tree import Repository
from tests.unit.portal.house import NUMPY


def _settings(tmp_path, **more):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    values = {"data": tmp_path / "data", "allowlists": tmp_path / "repo" / "deep" / "allowlists", "portal_port": port}
    return Settings(**(values | more))


def test_the_first_start_makes_keys_tokens_and_a_snapshot(house):
    data = house.settings.data
    assert house.tokens.identify(read(data / "service.token")).roles == ("service",)
    assert (data / "keys" / "portal.pem").exists()
    assert (data / "trust.json").exists()
    assert (data / "portal" / "snapshot.json").exists()


def test_a_second_start_finds_everything_again(house):
    house.approve(house.waiting(NUMPY))
    sealed, token = house.snapshots.sealed(), read(house.settings.service_token_file)
    house.open()
    assert house.snapshots.sealed() == sealed
    assert read(house.settings.service_token_file) == token
    assert [standing.state for standing in house.desk.all()] == ["approved"]


def test_without_a_tree_the_portal_does_not_start(tmp_path):
    with pytest.raises(NotFoundError, match="allowlists tree"):
        service.open_desk(_settings(tmp_path))


async def _until(settings, condition):
    async with httpx2.AsyncClient(base_url=settings.portal) as client:
        for _ in range(600):
            await asyncio.sleep(0.05)
            try:
                answer = await client.get("/readyz")
            except httpx2.TransportError:
                continue
            if answer.is_success and condition(answer.json()):
                return answer.json()
    raise AssertionError("it never happened")


def test_the_service_follows_commits_even_after_git_has_failed_for_a_while(tmp_path):
    repository = Repository(tmp_path / "repo")
    settings = _settings(tmp_path)

    async def scenario():
        stop = asyncio.Event()
        serving = asyncio.ensure_future(service.serve(settings, stop))
        await _until(settings, lambda found: found["sequence"] == 1)
        git = repository.folder / ".git"
        git.rename(repository.folder / "away")
        await asyncio.sleep(3 * service._WATCH)
        (repository.folder / "away").rename(git)
        repository.commit({"pypi/six.yaml": "project: six\napprovals: []\n"})
        await _until(settings, lambda found: found["sequence"] == 2)
        stop.set()
        await asyncio.wait_for(serving, 30)

    asyncio.run(scenario())


def test_a_service_that_cannot_start_says_why(tmp_path):
    Repository(tmp_path / "repo")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = _settings(tmp_path, portal_port=taken.getsockname()[1])
        with pytest.raises(ConflictError):
            asyncio.run(service.serve(settings, asyncio.Event()))
