"""Images come out: resolve, lock, assemble, gate, push."""

__version__ = "0.1.0"
