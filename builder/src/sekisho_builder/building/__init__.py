"""Source → wheel, in a container of an approved base and approved wheels, without a network."""

from sekisho_builder.building.closure import build_all
from sekisho_builder.building.workshop import Workshop

__all__ = ["Workshop", "build_all"]
