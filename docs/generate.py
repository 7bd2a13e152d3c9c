"""Write docs/reference from the code it describes: `make docs`. A test fails when the two differ."""

import json
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import get_args

import click

from sekisho.cli.frame import cli
from sekisho.model import ImageDefinition, Record
from sekisho.policy.conditions import AFTER, BEFORE
from sekisho.policy.document import DEFAULT_DAYS, Mode
from sekisho.policy.rules import Rule
from sekisho.policy.schema import FILES, schema
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
(default `sekisho.toml` in the working folder). Variables win. A `sekisho.toml` that
nobody named decides neither which other machine gets the token in `SEKISHO_TOKEN`, nor what `sekisho configure` writes:
name it by `SEKISHO_CONFIG`, or set the variables.

| variable | default | meaning |
|---|---|---|
"""

_POLICY = """\
# Policy

`allowlists/policy.yaml` holds `version: 1`, `rules`, and optionally `ask` (where people ask for what was refused;
default is the portal), `approvers` (how many different people approve: 1 or 2), `feeds` and `workspaces`.
Every rule has an `id` of its own, a `check`, and `then`: what it
answers (`allow`, `review` or `deny`) when it applies. The gravest answer counts. A denial beats everything; an approval
by a person that has ended sends to review; an approval in force beats `review`; a rule that fails denies; what no rule
objects to is approved by the policy. `sekisho policy check`, `test` and `diff` say what a change does before it counts.

Rules marked ⚑ hold everywhere: in every workspace and mode, whatever is approved.

| check | applies when | keys |
|---|---|---|
"""

_POLICY_REST = """\

## `feeds`

How many days old data may be for its silence to count: `osv` (advisories and malicious packages), `kev` (what is known
to be exploited), `epss` (how likely that is), each as `{{days: 7}}`; the defaults are {days}. While a feed that a rule
leans on is older, missing, or dated in the future, nothing is approved by the policy alone, and the reason names the
feed and its age. What no data covers, as a channel's package that holds no
project of an index that is known, is unknown and goes to review. A site that does without
advisories says so, as `osv: absent`: then rules that lean on them are not asked, and every verdict and the portal's
pages say that.

## `workspaces`

Each may have a `mode` ({modes}; the default is `enforce`) and a `sandbox`: `days` is how long an approval there
lives at most, `relax` what some rules answer there instead, as `{{young: allow}}`. What is approved in a sandbox is
approved for it alone. Rules marked ⚑ cannot be relaxed. `approvers` is how many different people approve there,
or state that an advisory does not matter.

## `when`

Any rule may have a condition in the Common Expression Language, as `when: kind == "pypi" && !(project in ["numpy"])`.
It is checked and compiled when the policy is read; one that fails later denies. Variables: {before}; and, once the file
was inspected (so not in rules marked ⚑), {after}.
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
        fields = {name: field for name, field in rule.model_fields.items() if name not in ("id", "check", "when")}
        checks = ", ".join(f"`{value}`" for value in get_args(rule.model_fields["check"].annotation))
        keys = ", ".join(f"`{name}`" for name in sorted(fields))
        rows.append(f"| {checks}{' ⚑' * rule.hard} | {' '.join((rule.__doc__ or '').split())} | {keys} |\n")
    days = ", ".join(f"{name} {number}" for name, number in DEFAULT_DAYS.items())
    modes = ", ".join(f"`{mode}`" for mode in get_args(Mode))
    before, after = (", ".join(f"`{name}`" for name in names) for names in (BEFORE, AFTER))
    return _POLICY + "".join(rows) + _POLICY_REST.format(days=days, modes=modes, before=before, after=after)


def api_page() -> str:
    """Return the reference of both services' routes."""
    proxy = [
        f"| `{route.path}` | {', '.join(route.methods)} | {route.who} | {_numbers(route.answers)} | {route.says} |\n"
        for route in ROUTES
        if "@" not in route.path
    ]
    portal = [
        f"| `{path}` | {method.upper()} | {_numbers(map(int, row['responses']))} | {_line(row['description'])} |\n"
        for path, methods in api_paths().items()
        for method, row in methods.items()
    ]
    return _API + _PROXY + "".join(proxy) + _PORTAL + "".join(portal).replace("``", "`")


def _line(text: str) -> str:
    return " ".join(text.split())


def _numbers(statuses: Iterable[int]) -> str:
    return " ".join(map(str, sorted(statuses)))


def schema_page(name: str) -> str:
    """Return the JSON Schema of a file of the allowlists tree, or of an image's definition."""
    return json.dumps(schema(name), indent=2) + "\n"


_IMAGE = """\
# Image definition

`images/<name>/image.yaml` says what an image is. Beside it lie `requirements.lock`, `debian.lock` if it has Debian
packages of its own, what `files` names, and `verify/`. An editor completes and checks it by its first line,
`# yaml-language-server: $schema=…/docs/reference/schema/image.json`; `sekisho policy schema image` prints the schema.
Every key is honoured or refused; an unknown one is an error. [Define an image](../how-to/images.md) has an example.

| key | default | meaning |
|---|---|---|
"""


def image_page() -> str:
    """Return the page about image.yaml."""
    rows = []
    for name, field in ImageDefinition.model_fields.items():
        default = "required" if field.is_required() else f"`{json.dumps(field.default, default=Record.model_dump)}`"
        rows.append(f"| `{field.alias or name}` | {default} | {field.description} |\n")
    return _IMAGE + "".join(rows)


PAGES = {
    "image.md": image_page,
    "api.md": api_page,
    "cli.md": cli_page,
    "settings.md": settings_page,
    "policy.md": policy_page,
    **{f"schema/{name}.json": partial(schema_page, name) for name in FILES},
}


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (REFERENCE / name).parent.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(make())
        sys.stdout.write(f"{REFERENCE / name}\n")


if __name__ == "__main__":
    main()
