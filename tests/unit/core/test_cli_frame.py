import json
from importlib.metadata import entry_points

import click
import pytest

import sekisho
from sekisho.cli.frame import cli
from tests.command_line import run


def _paths(command=cli, words=()):
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _paths(command.get_command(context, name), (*words, name))


COMMANDS = list(_paths())
DOWN = {"SEKISHO_PORTAL_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words):
    done = run(*words, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(" ".join(("Usage: sekisho", *words)))


@pytest.mark.parametrize("words", COMMANDS[1:], ids=" ".join)
def test_every_command_and_option_has_a_description(words):
    said = run(*words, "--help").out
    lines = said.splitlines()
    assert said.partition("\n\n")[2].startswith("  ")
    assert not [line for line in lines if line.startswith("  --") and len(line.split()) < 2]


def test_every_installed_command_is_listed_once():
    names = [point.name for point in entry_points(group="sekisho.commands")]
    assert sorted(names) == [words[0] for words in COMMANDS if len(words) == 1]
    assert "request" in names


def test_the_version_is_said():
    assert run("--version").out == f"sekisho, version {sekisho.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("request",),
        ("request", "six", "--no-such-option"),
        ("approve", "r1"),
        ("token", "issue", "rita", "--role", "root"),
        ("configure", "npm"),
    ],
)
def test_wrong_usage_exits_with_2_and_prints_nothing_as_result(arguments):
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Usage: sekisho" in done.err


def test_a_failure_exits_with_1_and_says_what_to_do_now():
    done = run("status", **DOWN)
    assert (done.status, done.out) == (1, "")
    what, where, todo = done.err.splitlines()
    assert what.startswith("sekisho: the portal does not answer")
    assert where == "  where: http://127.0.0.1:9"
    assert todo.startswith("  do now: start it with `sekisho up`")


def test_with_json_a_failure_is_json_on_standard_output():
    done = run("status", "--json", **DOWN)
    assert (done.status, done.err) == (1, "")
    assert json.loads(done.out)["error"]["code"] == "upstream"


def test_a_wrong_setting_is_a_failure_that_names_it():
    done = run("status", SEKISHO_PORTAL_PORT="many")
    assert done.status == 1
    assert "portal_port" in done.err


def test_a_result_exits_with_0(tmp_path):
    done = run("configure", "pip", "--to", str(tmp_path / "pip.conf"), "--json")
    assert done.status == 0
    assert json.loads(done.out)["client"] == "pip"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_a_command_that_is_stopped_says_that_nothing_is_half_done(stop):
    @click.command("stopped-by-a-test")
    def stopped():
        raise stop

    cli.add_command(stopped)
    try:
        done = run("stopped-by-a-test")
    finally:
        del cli.commands["stopped-by-a-test"]
    assert done.status == 130
    assert "nothing is half-done" in done.err
