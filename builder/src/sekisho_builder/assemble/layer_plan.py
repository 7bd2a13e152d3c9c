"""Which package goes into which layer, so that one changed package changes one layer.

Large packages stand alone. The others share a fixed number of buckets, chosen by their *names*: a new release stays
in its bucket, and a new package changes one bucket.
"""

from collections.abc import Sequence
from hashlib import sha256

from sekisho.model import Artifact

BUCKETS = 16


def plan_layers(artifacts: Sequence[Artifact], *, layers: int, large: int) -> list[list[Artifact]]:
    """Return the packages of each layer, in the order of the layers; never more than ``layers``, but one of each kind.

    A package of ``large`` bytes or more stands alone while there is room, the largest first to get it. No layer holds
    packages of two kinds, and those of channels are below wheels.
    """
    kinds = sorted({artifact.kind for artifact in artifacts})
    buckets = max(1, min(BUCKETS, layers) // max(1, len(kinds)))
    by_size = sorted(artifacts, key=lambda artifact: (-artifact.size, artifact.node))
    alone = [artifact for artifact in by_size if artifact.size >= large][: max(0, layers - buckets * len(kinds))]
    names = {artifact.node for artifact in alone}
    plan: list[list[Artifact]] = []
    for kind in kinds:
        own = sorted((one for one in artifacts if one.kind == kind), key=lambda artifact: artifact.project)
        shared: list[list[Artifact]] = [[] for _ in range(buckets)]
        for artifact in own:
            if artifact.node not in names:
                shared[bucket(artifact.project, buckets)].append(artifact)
        plan += [[artifact] for artifact in own if artifact.node in names]
        plan += [layer for layer in shared if layer]
    return plan


def bucket(project: str, buckets: int) -> int:
    """Return the bucket of a project, from its name alone."""
    return int.from_bytes(sha256(project.encode()).digest()[:8], "big") % buckets
