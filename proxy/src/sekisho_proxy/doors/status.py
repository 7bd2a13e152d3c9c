"""What an operator or an orchestrator asks: alive, ready, and by which policy."""

from sekisho_proxy.exchange import Reply, Request, json_reply, not_allowed
from sekisho_proxy.follow import Held, Stale
from sekisho_proxy.gate import Gate
from sekisho_proxy.upstream.reach import Reach


class Status:
    """Serves ``/healthz``, ``/readyz`` and ``/api/policy``."""

    def __init__(self, held: Held, reach: Reach | None, gate: Gate) -> None:
        self._held = held
        self._reach = reach
        self._gate = gate

    async def __call__(self, request: Request) -> Reply:
        """Answer one of the three."""
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        if request.path == "/healthz":
            return json_reply({"status": "ok"})
        snapshot = self._held.present()
        if request.path == "/readyz":
            return json_reply({"status": "ready", "sequence": snapshot.sequence})
        held = self._held
        return json_reply(
            {
                "revision": snapshot.revision,
                "sequence": snapshot.sequence,
                "made": snapshot.made.isoformat(),
                "approvals": len(snapshot.approvals),
                "refused": [entry.plain() for entry in snapshot.refused],
                "stale": held.unreachable is not None or held.refused is not None,
                "modes": dict(self._gate.relaxed()),
                "sources_away": sorted(self._reach.away) if self._reach else [],
                "portal_unreachable": _plain(held.unreachable),
                "snapshot_refused": _plain(held.refused),
                "snapshot_unkept": _plain(held.unkept),
            }
        )


def _plain(stale: Stale | None) -> dict[str, str] | None:
    return {"since": stale.since.isoformat(), "why": stale.why} if stale else None
