"""The frozen records that the stages turn into one another.

Every record carries the digest of what it was made from; none has a mutable status.
"""

from sekisho.model.alternative import Alternative, Change
from sekisho.model.approval import Approval
from sekisho.model.base import Moment, Record, Sha256, canonical_json, sha256_hex
from sekisho.model.built import Built
from sekisho.model.closure import Artifact, Build, Closure, Edge, Newest, node_of, read_node, spec_name
from sekisho.model.conda import NOARCH, PackageName, clean_record, conda_artifact, conda_record, is_subdir
from sekisho.model.conda_version import CondaVersion, VersionSpec, conda_version, glob_matches
from sekisho.model.demand import MOST_COUNT, OTHERS, RELEASE_TEXT, DemandBatch, DemandRow
from sekisho.model.extra_build import Extra, ExtraRequirement, extra_of
from sekisho.model.facts import Attestation, BuildSystem, Contained, Facts, Finding, Scan
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
from sekisho.model.image import (
    BaseDefinition,
    FileDefinition,
    GateReport,
    GateResult,
    ImageDefinition,
    ImageReference,
    every_gate_passed,
)
from sekisho.model.match_spec import MatchSpec, build_of, constrains_of, match_spec, needs_of
from sekisho.model.nearest import nearest
from sekisho.model.request import MOST_CONSTRAINTS, MOST_REQUIREMENTS, Request, parse_spec
from sekisho.model.requirement import parse_requirement
from sekisho.model.target import Target
from sekisho.model.verdict import Judgement, Outcome, Reason, Verdict

__all__ = [
    "EVERYONE",
    "MOST_CONSTRAINTS",
    "MOST_COUNT",
    "MOST_REQUIREMENTS",
    "NOARCH",
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
    "CondaVersion",
    "Contained",
    "DemandBatch",
    "DemandRow",
    "Edge",
    "Extra",
    "ExtraRequirement",
    "Facts",
    "FileDefinition",
    "Finding",
    "GateReport",
    "GateResult",
    "ImageDefinition",
    "ImageReference",
    "Judgement",
    "Kind",
    "MatchSpec",
    "Moment",
    "Newest",
    "NormalName",
    "Outcome",
    "PackageName",
    "ProjectName",
    "Reason",
    "Record",
    "Request",
    "Scan",
    "Sha256",
    "Slug",
    "Target",
    "Verdict",
    "VersionSpec",
    "build_of",
    "canonical_json",
    "clean_record",
    "conda_artifact",
    "conda_record",
    "conda_version",
    "constrains_of",
    "every_gate_passed",
    "extra_of",
    "glob_matches",
    "is_subdir",
    "match_spec",
    "nearest",
    "needs_of",
    "node_of",
    "normalize_project",
    "normalize_release",
    "parse_requirement",
    "parse_spec",
    "purl",
    "read_node",
    "sha256_hex",
    "spec_name",
]
