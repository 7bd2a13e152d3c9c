"""Where people ask, review and approve."""

__version__ = "0.1.0"
