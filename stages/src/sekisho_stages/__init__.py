"""The closed side: every stage of the workflow on the images."""

__version__ = "0.1.0"
