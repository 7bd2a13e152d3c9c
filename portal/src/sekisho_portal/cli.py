"""``sekisho portal``: start the people's door."""

import click

from sekisho.cli.operate import run
from sekisho.settings import load_settings
from sekisho_portal import service


@click.group()
def portal() -> None:
    """Run the portal: requests, verdicts, approvals."""


@portal.command()
def serve() -> None:
    """Serve the portal alone, on SEKISHO_PORTAL_HOST and SEKISHO_PORTAL_PORT."""
    settings = load_settings()
    click.echo(f"sekisho: portal on {settings.portal}", err=True)
    run({"portal": service.serve}, settings)
