"""The stages between a request and an image, each small enough to be run again.

Every stage reads the records it needs from the portal, turns them into the next one, and reports it there. What a
stage makes on disk is named by digest, so a stage that runs twice finds its own work.
"""

from sekisho_builder.stages.delivering import Delivering
from sekisho_builder.stages.proposing import Proposing

__all__ = ["Stages"]


class Stages(Proposing, Delivering):
    """The builder's stages over its outside."""
