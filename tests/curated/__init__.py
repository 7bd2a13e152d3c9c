"""Curated images of which no lock is committed, the whole line, over real software: ``make images-conda``."""
