"""Write docs/reference from the code it describes: `make docs`. A test fails when the two differ."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import click

from sekisho.cli.frame import cli
from sekisho.policy.rules import Rule
from sekisho.settings import Settings
from sekisho_portal.described import api_paths
from sekisho_proxy.api.table import ROUTES

REFERENCE = Path(__file__).with_name("reference")


def command_pages(command: click.Command, name: str) -> list[str]:
    """Return a section for a command and for each of its sub-commands."""
    context = click.Context(command, info_name=name, max_content_width=100, help_option_names=["-h", "--help"])
    sections = [f"## `{name}`\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                sections += command_pages(found, f"{name} {child}")
    return sections


_CLI = """\
# Command line

Made from the commands themselves. Exit status: 0 done; 1 refused or failed, with what to do now; 2 wrong usage.
Every command that prints a result takes `--json`.
"""

_SETTINGS = """\
# Settings

Each is a variable, or the same name in lower case without `SEKISHO_` in the TOML file that `SEKISHO_CONFIG` names
(default `sekisho.toml` in the working folder). Variables win.

| variable | default | meaning |
|---|---|---|
"""

_POLICY = """\
# Policy

`allowlists/policy.yaml` holds `version: 1`, optionally `ask` (where people ask for what was refused; default is the
portal), and `rules`. Every rule has an `id` of its own, a `check`, and `then`: what it answers (`allow`, `review` or
`deny`) when it applies. The gravest answer counts; a denial beats an approval, an approval beats `review`; a rule that
fails denies; what no rule objects to is approved by the policy.

| check | applies when | keys |
|---|---|---|
"""


_API = """\
# HTTP API

Both services describe themselves as OpenAPI 3.1 at `/openapi.json`. Errors are problem documents (RFC 9457) with a
machine's `code`, and `where` and `todo` for a person. `503` is a policy that was never loaded or a file on the other
side of the gap, `507` a full disk; there is no other `5xx` as long as the sources answer.

"""

_PROXY = """\
## Proxy

`{path}` may hold slashes. What is below `/w/{workspace}/` is below `/w/{workspace}/@{address}/` as well: a frozen door,
as of a revision, a day or a moment, which answers 409 for one that is not certain yet. Who is a room of Sekisho sends
the service token, as Bearer or as the password of Basic.

| address | methods | who | answers | what it is |
|---|---|---|---|---|
"""

_PORTAL = """
## Portal

Every route wants a token (Bearer); the role decides.

| address | method | answers | what it is |
|---|---|---|---|
"""


def cli_page() -> str:
    """Return the reference of the command line."""
    return "\n".join([_CLI, *command_pages(cli, "sekisho")])


def settings_page() -> str:
    """Return the reference of the settings."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = str(field.get_default()).replace(str(Path.home()), "~")
        shown = "" if field.get_default() is None else f"`{default}`"
        rows.append(f"| `SEKISHO_{name.upper()}` | {shown} | {field.description} |\n")
    return _SETTINGS + "".join(rows)


def policy_page() -> str:
    """Return the reference of the rules."""
    rows = []
    for rule in get_args(get_args(Rule)[0]):
        fields = {name: field for name, field in rule.model_fields.items() if name not in ("id", "check")}
        checks = ", ".join(f"`{value}`" for value in get_args(rule.model_fields["check"].annotation))
        keys = ", ".join(f"`{name}`" for name in sorted(fields))
        rows.append(f"| {checks} | {' '.join((rule.__doc__ or '').split())} | {keys} |\n")
    return _POLICY + "".join(rows)


def api_page() -> str:
    """Return the reference of both services' routes."""
    proxy = [
        f"| `{route.path}` | {', '.join(route.methods)} | {route.who} | {_numbers(route.answers)} | {route.says} |\n"
        for route in ROUTES
        if "@" not in route.path
    ]
    portal = [
        f"| `{path}` | {method.upper()} | {_numbers(map(int, row['responses']))} | {row['description']} |\n"
        for path, methods in api_paths().items()
        for method, row in methods.items()
    ]
    return _API + _PROXY + "".join(proxy) + _PORTAL + "".join(portal).replace("``", "`")


def _numbers(statuses: Iterable[int]) -> str:
    return " ".join(map(str, sorted(statuses)))


PAGES = {"api.md": api_page, "cli.md": cli_page, "settings.md": settings_page, "policy.md": policy_page}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
        sys.stdout.write(f"{REFERENCE / name}\n")


if __name__ == "__main__":
    main()
