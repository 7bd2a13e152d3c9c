"""How an approved file is sent: whole or in part, from here or as it arrives, never a complete wrong one."""

from pathlib import Path

from sekisho.model import Artifact
from sekisho_proxy.exchange import Headers, Reply, Request, Slice
from sekisho_proxy.holdings import Holdings
from sekisho_proxy.negotiate import matches
from sekisho_proxy.ranges import UnsatisfiableError, wanted

KEEP = (b"cache-control", b"private, max-age=31536000, immutable")
BYTES = (b"content-type", b"application/octet-stream")
_CACHE = ((b"cache-status", b"sekisho; fwd=miss; stored"), (b"cache-status", b"sekisho; hit"))  # RFC 9211


async def send_file(request: Request, artifact: Artifact, holdings: Holdings) -> Reply:
    """Answer with the bytes of what the gate admitted. Ask it again afterwards: fetching may have taken minutes."""
    etag = f'"{artifact.sha256}"'
    shared: Headers = (BYTES, KEEP, (b"etag", etag.encode()), (b"accept-ranges", b"bytes"))
    if matches(request.header(b"if-none-match"), etag):
        return Reply(304, shared)
    ranged = request.header(b"range") and request.method != "HEAD"
    shared = (*shared, _CACHE[holdings.has(artifact.sha256)])
    found = await (holdings.ensure(artifact) if ranged else holdings.open(artifact))
    if not isinstance(found, Path):
        return Reply(200, (*shared, (b"content-length", b"%d" % artifact.size)), found)
    size = found.stat().st_size
    try:
        part = wanted(request.header(b"range"), request.header(b"if-range"), etag, size) if ranged else None
    except UnsatisfiableError:
        return Reply(416, (*shared[1:], (b"content-range", b"bytes */%d" % size)))
    if part is None:
        return Reply(200, shared, Slice(found, 0, size))
    start, length = part
    content_range = b"bytes %d-%d/%d" % (start, start + length - 1, size)
    return Reply(206, (*shared, (b"content-range", content_range)), Slice(found, start, length))
