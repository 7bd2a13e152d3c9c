import pickle

import pytest

from sekisho.errors import LEAVES, BadInputError, SekishoError, from_diagnostics


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_survives_the_way_through_a_service(leaf):
    error = leaf("what", where="here", todo="do this")
    found = from_diagnostics(error.diagnostics())
    assert type(found) is leaf
    assert found.diagnostics() == error.diagnostics()


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_survives_being_kept_by_the_workflow_engine(leaf):
    error = pickle.loads(pickle.dumps(leaf("what", where="here", todo="do this")))
    assert type(error) is leaf
    assert str(error) == "what\n  where: here\n  do now: do this"


def test_every_leaf_is_in_the_list_and_has_its_own_code_and_an_http_status():
    assert set(SekishoError.__subclasses__()) == set(LEAVES)
    assert len({leaf.code for leaf in LEAVES}) == len(LEAVES)
    assert all(400 <= leaf.http_status < 600 for leaf in LEAVES)


def test_an_error_without_place_or_advice_is_one_line():
    assert str(BadInputError("what")) == "what"


@pytest.mark.parametrize("problem", [{}, {"code": "from-the-future"}])
def test_an_unknown_code_still_gives_an_error_of_ours(problem):
    found = from_diagnostics(problem, fallback="it said no")
    assert type(found) is SekishoError
    assert found.what == "it said no"
