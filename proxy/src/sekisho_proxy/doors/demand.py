"""What was refused here and has not gone to a portal, for whoever has the service token."""

from sekisho_proxy.demand.keeper import Keeper
from sekisho_proxy.doors.service_only import require_service
from sekisho_proxy.exchange import Reply, Request, json_reply, not_allowed


class DemandDoor:
    """Serves ``/api/demand``."""

    def __init__(self, keeper: Keeper, token: str) -> None:
        self._keeper = keeper
        self._token = token

    async def __call__(self, request: Request) -> Reply:
        """Answer with the counts, the most wanted first."""
        require_service(request, self._token)
        if request.method not in {"GET", "HEAD"}:
            return not_allowed(b"GET, HEAD")
        rows = sorted(self._keeper.rows(), key=lambda row: row.count, reverse=True)
        return json_reply({"rows": [row.model_dump(mode="json") for row in rows]})
