"""Packages pass through: doors over one gate, quarantine and inspection."""

__version__ = "0.1.0"
