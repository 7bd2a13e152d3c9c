"""The people's door: request, review, approve."""

__version__ = "0.1.0"
