"""A token in the path is taken out of it, and never takes the place of one that a client sends as a header."""

import pytest

from sekisho_proxy.path_token import without_token

MINE = {b"authorization": b"Bearer mine"}


@pytest.mark.parametrize("rest", ["/w/everyone/conda/main/noarch/repodata.json", "/candidates/conda/main/x"])
def test_a_token_of_the_path_becomes_a_header_unless_there_is_one(rest):
    assert without_token(f"/t/secret{rest}", {}) == (rest, {b"authorization": b"Bearer secret"})
    assert without_token(f"/t/secret{rest}", MINE) == (rest, MINE)
    assert without_token(rest, MINE) == (rest, MINE)


@pytest.mark.parametrize("path", ["/t/secret/api/policy", "/t/secret", "/t//w/x", "/t/a b/w/x", f"/t/{'x' * 513}/w/x"])
def test_of_any_other_address_nothing_is_left_that_could_be_a_token(path):
    assert without_token(path, {}) == ("/t/…", {})
