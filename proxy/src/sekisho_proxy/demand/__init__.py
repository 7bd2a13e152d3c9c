"""Refusals counted: in memory on the hot path, in a small file, and at the portal."""
