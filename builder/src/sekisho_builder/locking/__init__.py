"""Locking at a door: what people's own tools answer from it, each run by itself and led nowhere else."""

from sekisho_builder.locking.compiled import pip_tools, uv_compile
from sekisho_builder.locking.unified import conda_lock

__all__ = ["conda_lock", "pip_tools", "uv_compile"]
