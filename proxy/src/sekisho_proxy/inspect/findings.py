"""Findings, made from what was noticed: a few of each kind, and of a bearable length."""

from collections.abc import Sequence

from sekisho.model import Finding

_MOST = 5


def finding(code: str, detail: str) -> Finding:
    """Return one finding; names of unknown intent in it become text."""
    return Finding(code=code, detail=detail[:500].encode("utf-8", "replace").decode())


def findings(code: str, details: Sequence[str]) -> list[Finding]:
    """Return the first few as findings, and how many more there are."""
    more = [f"and {len(details) - _MOST} more"] if len(details) > _MOST else []
    return [finding(code, detail) for detail in (*details[:_MOST], *more)]
