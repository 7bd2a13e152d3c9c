"""One address for a real pip door and the channels beside it: what a workspace's door is to clients."""

import httpx2

from tests.channels import FakeChannels

CONDA = "/w/everyone/conda"


class Front:
    """``channels`` below the door's conda path, everything else from the proxy at ``url``."""

    def __init__(self, url: str, channels: FakeChannels) -> None:
        self.channels = channels
        self.paths: list[str] = []
        self._http = httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def __call__(self, scope, receive, send) -> None:
        path = scope["path"]
        self.paths.append(path)
        if path.startswith(f"{CONDA}/"):
            await self.channels({**scope, "path": path.removeprefix(CONDA)}, receive, send)
            return
        answer = await self._http.request(scope["method"], path, headers=scope["headers"])
        dropped = {"content-encoding", "content-length", "transfer-encoding"}
        headers = [(k.encode(), v.encode()) for k, v in answer.headers.items() if k not in dropped]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})
