"""Checks that an image must pass before it is pushed: of its files and records, and in containers without a network."""

from sekisho_builder.gates.made import Made
from sekisho_builder.gates.on_record import OnRecord, read_record
from sekisho_builder.gates.review import GATES, run_gates

__all__ = ["GATES", "Made", "OnRecord", "read_record", "run_gates"]
