"""The rule on licences."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainSerializer

from sekisho.model import Facts, Reason, Record
from sekisho.policy.licences import satisfied, spdx
from sekisho.policy.rules.base import BaseRule, Case

_Names = Annotated[frozenset[str], Field(min_length=1), PlainSerializer(sorted, return_type=list[str])]


class LicenseFamily(Record):
    """A proprietary licence that was read once: what ``projects`` (as ``nvidia-*``) may state as their ``terms``."""

    projects: Annotated[tuple[str, ...], Field(min_length=1)]
    terms: Annotated[tuple[str, ...], Field(min_length=1)]

    def holds(self, project: str, stated: str) -> bool:
        """Tell whether a project of the family states its terms; nobody else can by stating the same."""
        return stated in self.terms and any(fnmatchcase(project, pattern) for pattern in self.projects)


@lru_cache(maxsize=16384)
def _objection(
    expression: str | None, hint: str | None, classifiers: tuple[str, ...], allow: frozenset[str]
) -> tuple[str, bool] | None:
    """Return what speaks against a licence, and whether that is certain."""
    found = spdx(expression, hint, classifiers)
    if found is None:
        stated = _stated(expression, hint, classifiers)
        return (f"unknown: it states {stated[:120]!r}" if stated else "it states no licence"), False
    return None if satisfied(found, allow) else (f"{found} is not among those allowed", True)


def _stated(expression: str | None, hint: str | None, classifiers: tuple[str, ...]) -> str:
    return expression or ", ".join(dict.fromkeys(filter(None, (hint, *classifiers))))


class License(BaseRule):
    """The licence must be one of ``allow`` (SPDX ids), or that of a family in ``families``. What is unknown goes to
    review.
    """  # noqa: D205

    inspects: ClassVar[bool] = True
    check: Literal["license"]
    allow: _Names
    families: Mapping[str, LicenseFamily] = {}

    def look(self, case: Case) -> Reason | None:
        """Answer when the stated licence is unknown or not among those allowed."""
        facts = case.facts
        if facts is None:
            return None
        said = (facts.license_expression, facts.license_hint, facts.license_classifiers)
        objection = _objection(*said, self.allow)
        if objection is None or self._is_of_a_family(case.artifact.project, facts):
            return None
        said_so, certain = objection
        return self.reason(said_so) if certain else self.doubt(said_so)

    def _is_of_a_family(self, project: str, facts: Facts) -> bool:
        stated = facts.license_expression or facts.license_hint or ", ".join(facts.license_classifiers)
        return any(family.holds(project, stated) for family in self.families.values())
