"""After a crash: every act of the desk that was cut short is finished."""

import logging
from collections.abc import Callable
from functools import partial

from sekisho.ledger import Entry
from sekisho_portal.admitting import Admitting
from sekisho_portal.deciding import Deciding
from sekisho_portal.interrupted import CONCLUDED, unjudged, unsearched
from sekisho_portal.means import Means
from sekisho_portal.revoking import Revoking

_LOG = logging.getLogger("sekisho.portal")


def reconcile(means: Means, deciding: Deciding, admitting: Admitting, revoking: Revoking) -> tuple[int, int]:
    """Finish what is on record as begun; return how many acts were finished, and how many could not be."""

    def apply(intent: Entry) -> None:
        admitting.apply(means.standing(intent.subject), intent)

    def conclude(request_id: str) -> None:
        deciding.conclude(means.standing(request_id))

    steps: list[tuple[str, Callable[[], None]]] = [
        (intent.subject, partial(apply, intent)) for intent in admitting.left()
    ]
    steps += [(intent.subject, partial(revoke, intent)) for intent, revoke in revoking.left()]
    rows = means.ledger.entries(kinds=CONCLUDED)
    steps += [(name, partial(conclude, name)) for name in unjudged(rows)]
    steps += [(name, partial(deciding.search, name)) for name in unsearched(rows)]
    done = sum(_finish(means, *step) for step in steps)
    return done, len(steps) - done


def _finish(means: Means, subject: str, step: Callable[[], None]) -> bool:
    """Take an interrupted step; one that cannot be taken now, as with a tree that cannot be read, stays open."""
    try:
        with means.deciding:
            step()
    except Exception:  # noqa: BLE001 (whatever it is, the portal has to start)
        _LOG.exception("%s was cut short and cannot be finished yet", subject)
        return False
    return True
