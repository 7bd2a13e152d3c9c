"""An event loop in which waiting takes no time and nothing runs beside it, so that a run is fast and repeatable."""

import asyncio
import selectors
from concurrent.futures import Future, ThreadPoolExecutor


class _Skipping(selectors.DefaultSelector):
    """A selector that skips the time until the next timer when nothing is ready.

    ``patience`` is in real seconds: what goes over real sockets needs a moment to arrive.
    """

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.skipped = 0.0
        self.patience = patience

    def select(self, timeout=None):
        if timeout is None:
            assert self.patience, "nothing is under way that could ever end this wait"
            return super().select(timeout)
        ready = super().select(min(timeout, self.patience))
        if not ready and timeout > 0:
            self.skipped += timeout
        return ready


class _Inline(ThreadPoolExecutor):
    """Runs in place what would go to a thread."""

    def submit(self, work, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 (it goes to whoever waits, as from a thread)
            future.set_exception(error)
        return future


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its time is only what was waited for."""

    def __init__(self, patience: float = 0.0) -> None:
        self._skipping = _Skipping(patience)
        super().__init__(self._skipping)
        self.set_default_executor(_Inline(1))

    def time(self) -> float:
        return self._skipping.skipped
