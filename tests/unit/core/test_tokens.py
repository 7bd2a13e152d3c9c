from datetime import timedelta

import pytest
from sqlalchemy import text

from sekisho.database import open_database
from sekisho.errors import BadInputError, UnauthenticatedError
from sekisho.tokens import ROLES, Tokens
from tests.fakes import FakeClock
from tests.records import NOW


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/tokens.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def tokens(engine):
    return Tokens(engine, clock=FakeClock())


def test_a_token_names_its_holder_and_their_roles(tokens):
    who = tokens.identify(tokens.issue("rita", ("requester", "approver")))
    assert (who.name, who.roles) == ("rita", ("requester", "approver"))
    assert who.has("approver")
    assert who.has("admin", "requester")
    assert not who.has("admin", "service")


def test_two_tokens_of_one_person_are_different_and_both_work(tokens):
    first, second = tokens.issue("rita", ("requester",)), tokens.issue("rita", ("approver",))
    assert first != second
    assert tokens.identify(first).roles == ("requester",)
    assert tokens.identify(second).roles == ("approver",)


def test_a_token_is_not_stored(tokens, engine):
    token = tokens.issue("rita", ("requester",))
    with engine.connect() as connection:
        stored = str(connection.execute(text("select * from tokens")).all())
    assert "rita" in stored
    assert token not in stored


@pytest.mark.parametrize("token", ["", "skp_unknown", "' or 1=1 --", "é", "x" * 100_000])
def test_an_unknown_token_is_nobodys(tokens, token):
    tokens.issue("rita", ("requester",))
    with pytest.raises(UnauthenticatedError, match="not known"):
        tokens.identify(token)


def test_a_token_expires_at_its_moment(engine):
    clock = FakeClock()
    tokens = Tokens(engine, clock=clock)
    token = tokens.issue("rita", ("requester",), expires=NOW + timedelta(hours=1))
    clock.advance(hours=1, microseconds=-1)
    assert tokens.identify(token).name == "rita"
    clock.advance(microseconds=1)
    with pytest.raises(UnauthenticatedError, match="expired"):
        tokens.identify(token)


def test_revoking_takes_every_token_of_one_holder_and_no_other(tokens):
    rita = [tokens.issue("rita", ("requester",)) for _ in range(2)]
    anna = tokens.issue("anna", ("approver",))
    assert tokens.revoke("rita") == 2
    for token in rita:
        with pytest.raises(UnauthenticatedError):
            tokens.identify(token)
    assert tokens.identify(anna).name == "anna"
    assert tokens.revoke("rita") == 0


@pytest.mark.parametrize(
    ("name", "roles"),
    [("rita", ()), ("rita", ("root",)), ("rita", ("requester", "")), ("", ("requester",)), ("x" * 201, ("requester",))],
)
def test_a_token_needs_a_name_and_known_roles(tokens, name, roles):
    with pytest.raises(BadInputError):
        tokens.issue(name, roles)


def test_a_services_own_secret_can_be_accepted_again(tokens):
    for _ in range(2):
        tokens.accept_service("secret")
    assert tokens.identify("secret").roles == ("service",)


def test_there_are_four_roles():
    assert ROLES == ("requester", "approver", "service", "admin")
