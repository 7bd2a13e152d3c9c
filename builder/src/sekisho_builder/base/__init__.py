"""Base images: pulled by digest where a registry has them, built from Debian packages where none does."""

from sekisho_builder.base.opening import Base, open_base

__all__ = ["Base", "open_base"]
