"""Upstream sources: each an expression of small wrappers (ask, cache, filter) over one guarded fetcher."""
