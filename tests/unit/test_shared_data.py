import pytest

from tests import shared_data


def test_data_that_is_there_is_found(tmp_path):
    (tmp_path / "data.zip").touch()
    assert shared_data.find("data.zip", tmp_path, required=True) == tmp_path / "data.zip"


@pytest.mark.parametrize(("required", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)])
def test_missing_data_fails_where_it_is_required_and_else_says_what_to_fetch(tmp_path, required, outcome):
    with pytest.raises(outcome, match=r"put data\.zip into .*SEKISHO_TEST_DATA"):
        shared_data.find("data.zip", tmp_path, required=required)
