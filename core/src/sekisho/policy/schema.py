"""JSON Schemas of the files that people write or read, for editors and for CI."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from sekisho.model import Approval, ImageDefinition, ProjectName, Record
from sekisho.policy.cases import PolicyCases
from sekisho.policy.document import Policy
from sekisho.revocations import Revocation
from sekisho.signing import Signature
from sekisho.sources import Sources
from sekisho.vex import VexStatement


class _Entry(Approval):
    """An approval with its signature beside it, as a project's file holds it."""

    signature: Signature


class _ProjectFile(Record):
    """The approvals of one project. The portal writes it: an entry without a valid signature admits nothing."""

    project: ProjectName
    approvals: tuple[_Entry, ...] = ()


class _Statement(VexStatement):
    """A VEX statement with its signature beside it."""

    signature: Signature


class _VexFile(Record):
    """The statements on one advisory. One without a valid signature excuses nothing."""

    statements: Annotated[tuple[_Statement, ...], Field(min_length=1)]


class _RevocationFile(Revocation):
    """A revocation with its signature beside it. The portal writes it; without a valid signature it revokes nothing."""

    signature: Signature


FILES: Mapping[str, type[Record]] = {
    "policy": Policy,
    "sources": Sources,
    "project": _ProjectFile,
    "vex": _VexFile,
    "revocation": _RevocationFile,
    "cases": PolicyCases,
    "image": ImageDefinition,
}
"""What there is a schema of."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one of ``FILES``."""
    found = FILES[name].model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
