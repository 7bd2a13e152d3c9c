from concurrent.futures import ThreadPoolExecutor

import pytest

from sekisho.errors import NotFoundError
from sekisho.service_token import read, read_or_create, same


def test_a_token_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "data" / "service.token"
    token = read_or_create(path)
    assert read_or_create(path) == read(path) == token
    assert path.stat().st_mode & 0o777 == 0o600


def test_services_that_start_at_once_share_one_token(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read_or_create(tmp_path / "service.token"), range(8)))
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["service.token"]


def test_a_missing_token_says_how_it_is_made(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        read(tmp_path / "service.token")
    assert "sekisho up" in caught.value.todo


@pytest.mark.parametrize(("given", "equal"), [("abc", True), ("abd", False), ("", False), ("é", False)])
def test_tokens_are_compared_whole(given, equal):
    assert same(given, "abc") is equal
