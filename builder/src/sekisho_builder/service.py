"""Start the builder's worker beside the other services."""

import asyncio
import threading

from sekisho.client import PortalClient
from sekisho.service_token import read
from sekisho.settings import Settings
from sekisho_builder.proxy import Proxy
from sekisho_builder.stages import Stages
from sekisho_builder.worker import work
from sekisho_builder.workflows import close_line, open_line, start


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set. Waits for the portal's service token when all services start together."""
    while not settings.service_token_file.exists():
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
    with PortalClient(settings.portal, token) as portal, PortalClient(settings.portal, token) as asking:
        proxy = Proxy(settings.proxy, token)
        while not ending.is_set() and not portal.answers():
            ending.wait(0.1)
        line = open_line(Stages(settings, portal, proxy), portal.report, settings.data / "builder", ending)
        workflows = {"propose": line.propose, "deliver": line.deliver}
        try:
            work(asking, lambda name, workflow_id, request: start(workflows[name], workflow_id, request), ending)
        finally:
            close_line(line)
            proxy.close()
