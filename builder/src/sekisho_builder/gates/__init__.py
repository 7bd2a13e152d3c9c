"""Checks that an image must pass before it is pushed, each in a container without any network."""

from sekisho_builder.gates.review import GATES, run_gates

__all__ = ["GATES", "run_gates"]
