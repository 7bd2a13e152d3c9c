"""Channels: what upstream says of conda packages, read with bounds, cleaned, and stamped when it is first seen."""
