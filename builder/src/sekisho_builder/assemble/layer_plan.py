"""Which package goes into which layer, so that one changed package changes one layer.

Large packages stand alone. The others share a fixed number of buckets, chosen by their *names*: a new release stays
in its bucket, and a new package changes one bucket.
"""

from collections.abc import Sequence
from hashlib import sha256

from sekisho.model import Artifact

BUCKETS = 16


def plan_layers(artifacts: Sequence[Artifact], *, layers: int, large: int) -> list[list[Artifact]]:
    """Return the packages of each layer, in the order of the layers; never more than ``layers``.

    A package of ``large`` bytes or more stands alone while there is room, the largest first to get it.
    """
    buckets = min(BUCKETS, layers)
    by_size = sorted(artifacts, key=lambda artifact: (-artifact.size, artifact.project))
    alone = [artifact for artifact in by_size if artifact.size >= large][: layers - buckets]
    names = {artifact.project for artifact in alone}
    shared: list[list[Artifact]] = [[] for _ in range(buckets)]
    for artifact in sorted(artifacts, key=lambda artifact: artifact.project):
        if artifact.project not in names:
            shared[bucket(artifact.project, buckets)].append(artifact)
    single = [[artifact] for artifact in sorted(alone, key=lambda artifact: artifact.project)]
    return single + [layer for layer in shared if layer]


def bucket(project: str, buckets: int) -> int:
    """Return the bucket of a project, from its name alone."""
    return int.from_bytes(sha256(project.encode()).digest()[:8], "big") % buckets
