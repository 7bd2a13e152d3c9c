"""Bundles: a signed policy and the bytes it admits, as a folder that crosses the gap."""
