"""Requests for packages of channels: what a solver chooses over the candidate mount, as a closure."""

from sekisho_builder.conda.process import SolverProcess

__all__ = ["SolverProcess"]
