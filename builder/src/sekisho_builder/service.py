"""Start the builder's worker beside the other services."""

import asyncio
import threading
import time

from sekisho.client import PortalClient
from sekisho.errors import NotFoundError
from sekisho.service_token import read
from sekisho.settings import Settings
from sekisho_builder.proxy import Proxy
from sekisho_builder.stages import Stages
from sekisho_builder.worker import work
from sekisho_builder.workflows import close_line, open_line, start

_TOKEN = 30.0
"""Seconds that the portal, which makes the service token, may take to start."""


async def serve(settings: Settings, stop: asyncio.Event, *, patience: float = _TOKEN) -> None:
    """Work until ``stop`` is set. Waits for the portal's service token, since all services start together.

    Raises ``NotFoundError`` when there is no token after ``patience`` seconds.
    """
    end = time.monotonic() + patience
    while not settings.service_token_file.exists():
        if time.monotonic() > end:
            raise NotFoundError(
                "there is no service token to work with",
                where=str(settings.service_token_file),
                todo="start the portal once, which makes it; where the portal is another machine, bring its file here",
            )
        try:
            await asyncio.wait_for(stop.wait(), 0.1)
        except TimeoutError:
            continue
        return
    ending = threading.Event()
    working = asyncio.ensure_future(asyncio.to_thread(_work, settings, ending))
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    ending.set()
    waiting.cancel()
    await working


def _work(settings: Settings, ending: threading.Event) -> None:
    token = read(settings.service_token_file)
    with (
        PortalClient(settings.portal, token, direct=True, ca=settings.trusted_ca) as portal,
        PortalClient(settings.portal, token, direct=True, ca=settings.trusted_ca) as asking,
    ):
        proxy = Proxy(settings.proxy, token, ca=settings.trusted_ca)
        stages = Stages(settings, portal, proxy)
        while not ending.is_set() and not portal.answers():
            ending.wait(0.1)
        line = open_line(stages, portal.report, settings.data / "builder", ending)
        threading.Thread(target=_end, args=(ending, stages), daemon=True).start()
        workflows = {"propose": line.propose, "search": line.search, "build": line.build, "deliver": line.deliver}
        try:
            work(asking, lambda name, workflow_id, request: start(workflows[name], workflow_id, request), ending)
        finally:
            close_line(line)
            proxy.close()


def _end(ending: threading.Event, stages: Stages) -> None:
    """Cut short what stages wait for, once no error of theirs counts any more."""
    ending.wait()
    stages.stop()
