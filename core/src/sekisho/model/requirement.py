"""One requirement of a project of an index (PEP 508)."""

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

_LONGEST = 50_000
"""Characters of a requirement: a marker of a lock may name hundreds of environments."""


def parse_requirement(text: str) -> Requirement:
    """Read a requirement that names a project of a source; raise ``ValueError`` with the reason for anything else.

    Refused are an address, a path, an option and what is no PEP 508. A resolver reads requirements line by line, so
    none may hold a line break, as a marker's string can.
    """
    if not text.isprintable():
        raise ValueError(f"{text[:80]!r} holds a character that cannot be printed")
    if len(text) > _LONGEST:
        raise ValueError(f"{text[:80]!r} has more than {_LONGEST} characters")
    try:
        wanted = Requirement(text)
    except RecursionError as error:
        raise ValueError(f"{text[:80]!r} has a marker that is nested too deep") from error
    except InvalidRequirement as error:
        raise ValueError(f"{text[:80]!r} is not a requirement: {str(error).splitlines()[0]}") from error
    if wanted.url:
        raise ValueError(f"{text[:80]!r} names an address; only projects of a source can be judged")
    if wanted.marker is not None:
        try:
            wanted.marker.evaluate()
        except (UndefinedEnvironmentName, UndefinedComparison) as error:
            raise ValueError(f"{text[:80]!r} has a marker without an answer: {error}") from error
    return wanted
