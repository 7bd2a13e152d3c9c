"""What people wanted and did not get, or would not get in mode ``enforce``: ``demand``."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from sekisho.cli.ask import connect
from sekisho.cli.frame import emit, json_option
from sekisho.logs import printable
from sekisho.settings import load_settings


@click.command()
@click.option("--would-be", is_flag=True, help="What was served in mode audit, and enforce would refuse.")
@click.option("--workspace", help="Of this workspace only.")
@click.option("--requirements", is_flag=True, help="As requirements, for `sekisho request -r`.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Rows at most.")
@json_option
def demand(*, would_be: bool, workspace: str | None, requirements: bool, limit: int, as_json: bool) -> None:
    """List what was refused, the most wanted first.

    Anybody who reaches a proxy can add to it, so a count is a hint and no more.
    """
    with connect(load_settings()) as portal:
        found = portal.demand(served=would_be, workspace=workspace, limit=limit)
    rows = [row for row in found["rows"] if row["project"]]
    lines = _requirements(rows) if requirements else _lines(rows)
    nothing = "" if requirements else "nothing would be refused" if would_be else "nothing was refused"
    emit(found, as_json=as_json, text=lambda: "\n".join(map(printable, lines)) or nothing)


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        name = f"{row['project']}=={row['release']}" if row["release"] else row["project"]
        name = f"conda:{name}" if row.get("kind") == "conda" else name
        yield f"{row['count']:>6}  {name}  in {row['workspace']}, rule {row['rule']}, last on {row['last'][:10]}"


def _requirements(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Pin the release of each project that was wanted most; no set of requirements holds two."""
    chosen: dict[str, str] = {}
    for row in rows:
        if row.get("kind", "pypi") != "pypi":
            yield f"# of a channel: sekisho request --conda {row['project']}" + (
                f"=={row['release']}" if row["release"] else ""
            )
        elif row["release"] and chosen.setdefault(row["project"], row["release"]) != row["release"]:
            yield f"# also wanted: {row['project']}=={row['release']}"
    yield from (f"{project}=={release}" for project, release in sorted(chosen.items()))
