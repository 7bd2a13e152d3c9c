"""The frame of the command line: lazy sub-commands, errors to sentences, results to text or JSON."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

import sekisho
from sekisho.errors import SekishoError
from sekisho.logs import block

GROUP = "sekisho.commands"


class _Group(click.Group):
    """Finds sub-commands in the entry points, and imports one only when it is called or described."""

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all sub-commands that are installed."""
        return sorted({*self._entry_points(), *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one sub-command."""
        point = self._entry_points().get(cmd_name)
        if point is None:
            return super().get_command(ctx, cmd_name)
        command = point.load()
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(sekisho.__version__, prog_name="sekisho")
def cli() -> None:
    """Sekisho: the checkpoint between open and closed zones.

    Ask for packages, approve them, build images from them, and serve them where nothing else gets in.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. SIGTERM is taken as Ctrl-C is."""
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(args=arguments, prog_name="sekisho", standalone_mode=False)
    except SekishoError as error:
        report(error, as_json=as_json)
        sys.exit(1)
    except OSError as error:
        at = f": {error.filename}" if error.filename is not None else ""
        report(SekishoError(f"{error.strerror or error}{at}"), as_json=as_json)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("sekisho: stopped; nothing is half-done, run the same command to go on", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def report(error: SekishoError, *, as_json: bool) -> None:
    """Tell a person (standard error) or a machine (standard output) what went wrong and what to do now."""
    if as_json:
        click.echo(json.dumps({"error": error.diagnostics()}))
    else:
        lines = [f"sekisho: {block(error.what)}"]
        if error.where:
            lines.append(f"  where: {block(error.where)}")
        if error.todo:
            lines.append(f"  do now: {block(error.todo)}")
        click.echo("\n".join(lines), err=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
"""Every command that prints a result takes this."""


def emit(result: Any, *, as_json: bool, text: Callable[[], str]) -> None:  # noqa: ANN401 (any JSON-ready value)
    """Print a result as JSON, or the lines that ``text`` makes of it."""
    click.echo(json.dumps(result) if as_json else text())
