"""Wheels become layers: each by splicing its own deflate streams into a gzip of many members, with no compressor.

What a layer's bytes are depends on the wheels and on the rules here, never on a compression library's version.
"""

from sekisho_builder.assemble.assembly import Assembled, AssembledLayer, assemble

__all__ = ["Assembled", "AssembledLayer", "assemble"]
