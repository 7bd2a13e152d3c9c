"""How grave an advisory is, from what OSV records say of it: CVSS vectors, or a database's word."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

_LONGEST = 300
_WORDS = {"CRITICAL": 90, "HIGH": 70, "MODERATE": 40, "MEDIUM": 40, "LOW": 1}
"""The lowest score of each rating (CVSS v3.1, 5 "Qualitative Severity Rating Scale"); GitHub says MODERATE."""
_NUMBER = re.compile(r"(?:10|\d)(?:\.\d)?")


def score_of(record: dict[str, Any], affected: dict[str, Any]) -> int | None:
    """Return the gravest score in tenths that a record states, for all or for one of its packages; else ``None``.

    A vector outranks a word. What cannot be read counts as not stated.
    """
    vectors = [*_rows(record.get("severity")), *_rows(affected.get("severity"))]
    stated = [score for text in vectors if (score := score_vector(text)) is not None]
    if stated:
        return max(stated)
    words = [score for place in (record, affected) if (score := _word(place)) is not None]
    return max(words, default=None)


def _rows(rows: object) -> Iterator[str]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("score"), str):
            yield row["score"]


def _word(place: dict[str, Any]) -> int | None:
    for key in ("database_specific", "ecosystem_specific"):
        inner = place.get(key)
        word = inner.get("severity") if isinstance(inner, dict) else None
        if isinstance(word, str) and word.upper() in _WORDS:
            return _WORDS[word.upper()]
    return None


@lru_cache(maxsize=8192)
def score_vector(text: str) -> int | None:
    """Return the base score of a CVSS vector (v2, v3.0, v3.1, v4.0) or of a bare number, in tenths, or ``None``."""
    if len(text) > _LONGEST:
        return None
    if _NUMBER.fullmatch(text):
        return round(float(text) * 10)
    kind = CVSS4 if text.startswith("CVSS:4") else CVSS3 if text.startswith("CVSS:3") else CVSS2
    try:
        score = kind(text).scores()[0]
    except (CVSSError, ValueError, ArithmeticError, LookupError, TypeError):
        return None
    return None if score is None else round(float(score) * 10)
