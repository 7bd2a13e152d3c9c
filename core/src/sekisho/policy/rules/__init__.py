"""The closed vocabulary of rules, one file for each family.

A rule looks at one artifact with its facts and what else is known, and answers with a reason, or with nothing when it
does not apply. Rules are pure: time comes in as ``now``, and everything else as a value.
"""

from typing import Annotated

from pydantic import Field

from sekisho.policy.rules.age import ReleaseAge
from sekisho.policy.rules.archive import CondaInspection, Inspection, NativeCode, Scanner, SdistOnly
from sekisho.policy.rules.base import BaseRule, Case, Look
from sekisho.policy.rules.channels import Build, Channel
from sekisho.policy.rules.floor import Floor
from sekisho.policy.rules.licence import License, LicenseFamily
from sekisho.policy.rules.names import Denied, NameDistance
from sekisho.policy.rules.origin import ProjectStatus, Provenance, Publisher, Yanked
from sekisho.policy.rules.weaknesses import AdvisoryRule, Malicious

Rule = Annotated[
    Denied
    | Malicious
    | AdvisoryRule
    | ReleaseAge
    | License
    | Yanked
    | ProjectStatus
    | Provenance
    | SdistOnly
    | NativeCode
    | Inspection
    | CondaInspection
    | Build
    | Channel
    | Scanner
    | NameDistance
    | Floor,
    Field(discriminator="check"),
]

__all__ = [
    "AdvisoryRule",
    "BaseRule",
    "Build",
    "Case",
    "Channel",
    "CondaInspection",
    "Denied",
    "Floor",
    "Inspection",
    "License",
    "LicenseFamily",
    "Look",
    "Malicious",
    "NameDistance",
    "NativeCode",
    "ProjectStatus",
    "Provenance",
    "Publisher",
    "ReleaseAge",
    "Rule",
    "Scanner",
    "SdistOnly",
    "Yanked",
]
