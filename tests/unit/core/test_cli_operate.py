import json

import pytest

from sekisho.database import open_database
from sekisho.ledger import Ledger
from sekisho.merkle import parse_checkpoint
from sekisho.tokens import Tokens
from tests.command_line import run


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/sekisho.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def sekisho(tmp_path):
    return lambda *arguments: run(*arguments, SEKISHO_DATA=str(tmp_path))


def test_a_token_is_issued_once_and_works(sekisho, engine):
    done = sekisho("token", "issue", "anna", "--role", "approver", "--role", "requester", "--json")
    made = json.loads(done.out)
    assert made["roles"] == ["approver", "requester"]
    assert Tokens(engine).identify(made["token"]).name == "anna"


def test_a_token_alone_is_printed_for_a_shell_to_take(sekisho):
    assert sekisho("token", "issue", "anna", "--role", "approver").out.startswith("skp_")


def test_revoking_says_how_many_there_were(sekisho):
    for _ in range(2):
        sekisho("token", "issue", "anna", "--role", "approver")
    assert sekisho("token", "revoke", "anna").out == "2 tokens of anna revoked\n"


def test_the_ledger_is_verified(sekisho, engine):
    Ledger(engine).append("requested", "r1", actor="rita")
    rows, root = Ledger(engine).verify()
    assert json.loads(sekisho("audit", "verify", "--json").out) == {
        "rows": rows,
        "root": root.hex(),
        "checkpoint": None,
        "unproven": ["that no rows were cut off its end, or all written anew"],
    }


def test_an_altered_ledger_is_a_failure(sekisho, engine):
    Ledger(engine).append("requested", "r1", actor="rita")
    with engine.begin() as connection:
        connection.exec_driver_sql("update ledger set actor = 'mallory'")
    done = sekisho("audit", "verify")
    assert done.status == 1
    assert "row 1 was altered" in done.err


def test_a_checkpoint_is_written_to_a_file(sekisho, engine, tmp_path):
    Ledger(engine).append("requested", "r1", actor="rita")
    assert sekisho("audit", "checkpoint", "--to", str(tmp_path / "checkpoint")).status == 0
    assert parse_checkpoint((tmp_path / "checkpoint").read_text())[1:] == Ledger(engine).verify()


def test_a_service_that_is_not_installed_is_named_with_those_that_are(sekisho):
    done = sekisho("up", "--only", "portal", "--only", "teleporter")
    assert done.status == 1
    assert "teleporter" in done.err
    assert "portal" in done.err.partition("installed:")[2]
