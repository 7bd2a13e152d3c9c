"""The portal's clock: one that was set back prolongs nothing, and revives nothing that has ended."""

import logging
import threading
from datetime import datetime, timedelta

from sekisho.ledger import Ledger
from sekisho.ports import Clock

_LOG = logging.getLogger("sekisho.portal")
_LOUD = timedelta(seconds=5)
"""Clocks are set back by less than this all the time."""


class Forward:
    """Tells the time, never before what the ledger's newest row says or what was told already."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: datetime | None = None
        self._said = False

    def follow(self, ledger: Ledger) -> None:
        """Begin behind the newest row of ``ledger``."""
        for row in ledger.entries(after=ledger.size() - 1):
            with self._lock:
                self._latest = max(self._latest or row.at, row.at)

    def __call__(self) -> datetime:
        """Return the present, or the latest moment that is on record."""
        seen = self._clock()
        with self._lock:
            latest = self._latest = max(self._latest or seen, seen)
            lags = latest - seen > _LOUD
            loud, self._said = lags and not self._said, lags
        if loud:
            _LOG.critical("the clock says %s and the record goes on to %s, which counts until then", seen, latest)
        return latest
