"""Fetching a package of a channel: from where the channel says that packages are, and else from beside its index."""

from collections.abc import Callable, Iterable

from sekisho.errors import NotFoundError, UpstreamError
from sekisho.model import Artifact
from sekisho.policy import Snapshot
from sekisho.store import BlobStore, Incoming
from sekisho_proxy.conda.channels import Channels
from sekisho_proxy.upstream.fetcher import Fetcher
from sekisho_proxy.upstream.sources import Moved, fetch_artifact, usual_places

Begun = Callable[[Incoming], Moved]


async def fetch_package(
    channels: Channels, snapshot: Snapshot, fetcher: Fetcher, artifact: Artifact, store: BlobStore, begun: Begun
) -> None:
    """Bring one package into ``store``, as ``fetch_artifact`` does.

    What is known of its channel is enough mostly; only for a package that is nowhere is the channel itself asked.
    Raises ``UpstreamError`` where its packages are at a place that is not followed.
    """
    known = await channels.packages(snapshot, artifact, ask=False)
    try:
        await fetch_artifact(
            fetcher, artifact, store, begun, (*_at(known.base, artifact), *usual_places(fetcher, artifact))
        )
    except NotFoundError as error:
        missing = error
    else:
        return
    now = await channels.packages(snapshot, artifact, ask=True)
    if now.base and now.base != known.base:
        await fetch_artifact(fetcher, artifact, store, begun, _at(now.base, artifact))
        return
    if now.refused:
        raise UpstreamError(
            f"source {artifact.source!r} has its packages elsewhere: {now.refused.why}",
            where=artifact.path,
            todo="see docs/how-to/channels.md on where a channel's files may be",
        )
    raise NotFoundError(
        f"source {artifact.source!r} does not have {artifact.filename} (yet)",
        where=artifact.path,
        todo="try again later: a channel may list a file before its bytes are there; if it stays so, ask its operator",
    ) from missing


def _at(base: str, artifact: Artifact) -> Iterable[str]:
    """Return the address of a package below a channel's own ``base_url``, which is one subdir's (CEP 15)."""
    return (base + artifact.filename,) if base else ()
