"""Layers read: nothing here is believed, and nothing else is imported, since processes of their own do it."""
