"""The benchmark of judging: `make bench-policy`."""
