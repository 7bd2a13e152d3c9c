"""Names, tokens, the ledger and locks against people who would be somebody else, or rewrite what was."""

import asyncio
import json
import stat
import subprocess
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sekisho.cli.operate import serve
from sekisho.database import open_database
from sekisho.errors import BadInputError, NotFoundError, UnauthenticatedError
from sekisho.keys import open_signer
from sekisho.ledger import ORIGIN, Ledger
from sekisho.lock import make_lock, to_requirements
from sekisho.settings import Settings
from sekisho.signing import Signer
from sekisho.tokens import Tokens
from tests.command_line import run
from tests.records import NOW, approval, artifact, closure


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/sekisho.sqlite")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "name",
    ["service", "Service", "policy", "POLICY", "an na", "anna\n", "\x1b[1m", "\u0430nna", ".a", "x" * 101, "<b>"],
)
def test_nobody_is_named_like_sekisho_itself_or_like_nothing_that_can_be_told_apart(engine, name):
    with pytest.raises(BadInputError):
        Tokens(engine).issue(name, ("approver",))


@pytest.mark.parametrize("name", ["anna", "anna@example.org", "a", "X.y_z-1", "x" * 100])
def test_ordinary_names_are_fine(engine, name):
    assert Tokens(engine).identify(Tokens(engine).issue(name, ("approver",))).name == name


def test_a_new_service_token_voids_the_old_one(engine):
    tokens = Tokens(engine)
    tokens.accept_service("old")
    tokens.accept_service("new")
    assert tokens.identify("new").roles == ("service",)
    with pytest.raises(UnauthenticatedError):
        tokens.identify("old")


def test_a_database_is_its_owners_only(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/x.sqlite")
    Ledger(engine).append("requested", "r1", actor="rita")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("x.sqlite*") if path.suffix != ".lock"
    }
    engine.dispose()
    assert set(modes.values()) == {0o600}


class Audit:
    def __init__(self, folder, engine):
        self.folder, self.engine, self.ledger = folder, engine, Ledger(engine)
        self.settings = Settings(data=folder)
        for number in range(3):
            self.ledger.append("requested", f"r{number}", actor="rita")
        self.path = folder / "portal" / "checkpoint"
        self.path.parent.mkdir()
        self.sign(open_signer(self.settings, "portal"))

    def sign(self, signer):
        self.path.write_text(self.ledger.checkpoint(ORIGIN, signer))

    def sql(self, statement):
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def verify(self, *more):
        return run("audit", "verify", *more, SEKISHO_DATA=str(self.folder))


@pytest.fixture
def audit(tmp_path, engine):
    return Audit(tmp_path, engine)


def test_a_ledger_that_grew_since_its_checkpoint_holds(audit):
    audit.ledger.append("requested", "r9", actor="rita")
    assert json.loads(audit.verify("--json").out)["checkpoint"] == 3


def test_rows_cut_off_the_end_are_noticed(audit):
    audit.sql("delete from ledger where seq = 3")
    done = audit.verify()
    assert done.status == 1
    assert "the ledger has 2 rows, and 3 were signed" in done.err
    assert str(audit.path) in done.err


def test_a_ledger_that_was_written_anew_is_noticed(audit):
    audit.sql("delete from ledger")
    for number in range(4):
        audit.ledger.append("requested", f"x{number}", actor="mallory")
    assert "the first 3 rows are not those that were signed" in audit.verify().err


@pytest.mark.parametrize("text", ["", "rubbish", "sekisho\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"])
def test_a_checkpoint_that_nobody_signed_proves_nothing(audit, text):
    audit.path.write_text(text)
    assert audit.verify().status == 1


def test_a_checkpoint_of_another_key_proves_nothing(audit):
    audit.sign(Signer.generate())
    assert "not signed by a trusted key" in audit.verify().err


def test_a_checkpoint_whose_size_was_edited_proves_nothing(audit):
    audit.path.write_text(audit.path.read_text().replace("sekisho\n3\n", "sekisho\n2\n"))
    assert "not signed by a trusted key" in audit.verify().err


def test_a_checkpoint_kept_elsewhere_can_be_compared(audit, tmp_path):
    elsewhere = audit.path.rename(tmp_path / "kept")
    assert "there is no checkpoint" in audit.verify().out
    audit.sql("delete from ledger where seq = 3")
    assert audit.verify().status == 0
    assert audit.verify("--against", str(elsewhere)).status == 1


@pytest.mark.parametrize("command", ["verify", "checkpoint"])
def test_where_there_is_no_ledger_none_is_made(tmp_path, command):
    done = run("audit", command, SEKISHO_DATA=str(tmp_path / "none"))
    assert done.status == 1
    assert "there is no ledger at" in done.err
    assert not (tmp_path / "none").exists()


def test_a_database_without_a_ledger_gets_none(tmp_path, engine):
    Tokens(engine)
    with pytest.raises(NotFoundError, match="no ledger"):
        Ledger.open(f"sqlite:///{tmp_path}/sekisho.sqlite")


DEFINITION = """
name: sklearn
base: {debian: bookworm}
target: {python: 3.11.2, glibc: "2.36"}
requirements: [numpy]
resolve-before: 2026-10-01T00:00:00Z
"""
CUT_OFF = datetime(2026, 10, 1, tzinfo=UTC)


def _lock(before=CUT_OFF, *artifacts):
    artifacts = artifacts or (artifact(),)
    made = closure(*artifacts, resolve_before=before)
    return make_lock("sklearn", made, [approval(*artifacts)], workspace="everyone", now=NOW)


def _row(lock, number, state="delivered", **more):
    request = {"requester": "rita", "requirements": ["numpy"], "image": "sklearn"}
    return {"id": f"r{number}", "state": state, "request": request, "lock": lock.plain() if lock else None, **more}


@pytest.fixture
def sekisho(tmp_path, portal_url):
    folder = tmp_path / "images" / "sklearn"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text(DEFINITION)
    return lambda *arguments: run(*arguments, SEKISHO_PORTAL_URL=portal_url, SEKISHO_IMAGES=str(tmp_path / "images"))


def test_a_lock_says_what_it_was_resolved_before():
    assert "# resolve-before: 2026-10-01T00:00:00Z\n" in to_requirements(_lock())
    assert "resolve-before" not in to_requirements(_lock(None))


def test_the_newest_lock_that_fits_the_definition_is_taken(portal, sekisho, tmp_path):
    odd = _lock(CUT_OFF + timedelta(days=1), artifact("numpy", "9.0"))
    portal.answers["/api/requests"] = [
        _row(odd, 3),
        _row(None, 4, "failed"),
        _row(_lock(), 2),
        _row(_lock(CUT_OFF, artifact("numpy", "1.0")), 1),
    ]
    assert sekisho("lock", "sklearn", "--no-commit").status == 0
    assert (tmp_path / "images" / "sklearn" / "requirements.lock").read_text() == to_requirements(_lock())


def test_a_lock_with_another_cut_off_does_not_fit(portal, sekisho):
    portal.answers["/api/requests"] = [_row(_lock(None), 1)]
    assert "has changed since request r1" in sekisho("lock", "sklearn", "--no-commit").err


def test_a_request_that_is_being_locked_is_no_reason_to_take_an_older_one(portal, sekisho):
    portal.answers["/api/requests"] = [_row(None, 2, "approved"), _row(_lock(), 1)]
    assert "r2 is being locked" in sekisho("lock", "sklearn", "--no-commit").err


def test_where_git_knows_nobody_the_requester_commits(portal, sekisho, tmp_path, monkeypatch):
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{name}", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    portal.answers["/api/requests"] = [_row(_lock(), 1)]
    assert sekisho("lock", "sklearn").status == 0
    said = subprocess.run(
        ["git", "-C", str(tmp_path), "log", "--format=%an <%ae>"], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "rita <rita@sekisho.invalid>"


def test_the_state_of_an_installation_is_its_owners_only(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o755)

    async def nothing(_settings, _stop):
        return

    asyncio.run(serve({"nothing": nothing}, Settings(data=data)))
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@pytest.mark.parametrize("module", ["os", "pathlib", "socket", "time", "asyncio"])
def test_the_purity_contract_forbids_the_system(module):
    contracts = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = (contract for contract in contracts if contract["name"] == "Core's rules are pure")
    assert module in pure["forbidden_modules"]
    assert "sekisho.signing" in pure["source_modules"]
