"""The frozen records that the stages turn into one another.

Every record carries the digest of what it was made from; none has a mutable status.
"""

from sekisho.model.alternative import Alternative, Change
from sekisho.model.approval import Approval
from sekisho.model.base import Moment, Record, Sha256, canonical_json, sha256_hex
from sekisho.model.built import Built
from sekisho.model.closure import Artifact, Build, Closure, Edge, Newest
from sekisho.model.demand import MOST_COUNT, OTHERS, RELEASE_TEXT, DemandBatch, DemandRow
from sekisho.model.facts import Attestation, BuildSystem, Facts, Finding, Scan
from sekisho.model.identity import (
    EVERYONE,
    Kind,
    NormalName,
    ProjectName,
    Slug,
    normalize_project,
    normalize_release,
    purl,
)
from sekisho.model.image import BaseDefinition, FileDefinition, GateReport, GateResult, ImageDefinition, ImageReference
from sekisho.model.nearest import nearest
from sekisho.model.request import MOST_CONSTRAINTS, MOST_REQUIREMENTS, Request, parse_requirement
from sekisho.model.target import Target
from sekisho.model.verdict import Judgement, Outcome, Reason, Verdict

__all__ = [
    "EVERYONE",
    "MOST_CONSTRAINTS",
    "MOST_COUNT",
    "MOST_REQUIREMENTS",
    "OTHERS",
    "RELEASE_TEXT",
    "Alternative",
    "Approval",
    "Artifact",
    "Attestation",
    "BaseDefinition",
    "Build",
    "BuildSystem",
    "Built",
    "Change",
    "Closure",
    "DemandBatch",
    "DemandRow",
    "Edge",
    "Facts",
    "FileDefinition",
    "Finding",
    "GateReport",
    "GateResult",
    "ImageDefinition",
    "ImageReference",
    "Judgement",
    "Kind",
    "Moment",
    "Newest",
    "NormalName",
    "Outcome",
    "ProjectName",
    "Reason",
    "Record",
    "Request",
    "Scan",
    "Sha256",
    "Slug",
    "Target",
    "Verdict",
    "canonical_json",
    "nearest",
    "normalize_project",
    "normalize_release",
    "parse_requirement",
    "purl",
    "sha256_hex",
]
