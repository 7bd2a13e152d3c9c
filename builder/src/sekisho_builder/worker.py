"""The worker: asks the portal what there is to do, and starts the workflow for it."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from sekisho.client import PortalClient
from sekisho.errors import SekishoError

_LOG = logging.getLogger("sekisho.builder")
_PAUSE = 1.0
_WAIT = 1
"""Seconds that one long poll lasts; also the longest that stopping takes."""


def work(portal: PortalClient, begin: Callable[[str, str, str], None], stop: threading.Event) -> None:
    """Hand every row that asks for work to ``begin`` (workflow, its id, request), from the ledger's start.

    Workflow ids are made from ledger rows, so a row that is seen again, after a restart or by a second worker, starts
    nothing twice.
    """
    after = 0
    while not stop.is_set():
        try:
            rows = portal.events(after=after, wait=_WAIT)
        except SekishoError:
            stop.wait(_PAUSE)
            continue
        for row in rows:
            try:
                if step := what_next(row):
                    begin(step, f"{step}-{row['subject']}-{row['seq']}", row["subject"])
            except Exception:  # noqa: BLE001 (a full disk, most likely: the services go on)
                _LOG.exception("the work of ledger row %s cannot begin and is tried again", row["seq"])
                stop.wait(_PAUSE)
                break
            after = row["seq"]


def what_next(row: dict[str, Any]) -> str | None:
    """Return the workflow that a ledger row asks for, if it asks for one; packages without an image end approved."""
    if row["kind"] == "requested":
        return "propose"
    if row["kind"] == "search-again":
        return "search"
    if row["kind"] == "retried":
        return str(row["body"]["stage"])
    if row["body"].get("build"):
        return "build"
    return "deliver" if row["body"].get("image") else None
