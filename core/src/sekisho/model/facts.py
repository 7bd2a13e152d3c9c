"""What is known of an artifact after it was fetched into quarantine and opened there."""

from typing import Annotated

from pydantic import Field

from sekisho.model.base import Record, Sha256
from sekisho.model.closure import Artifact
from sekisho.model.identity import NormalName

UNVERIFIED = "unverified_provenance"
"""The code of a finding: an attestation is stated, and it does not hold, or nobody could tell."""


class Finding(Record):
    """Something the inspection noticed. ``code`` belongs to a closed vocabulary, see docs/reference/policy.md."""

    code: str
    detail: str


class Attestation(Record):
    """One attestation (PEP 740) that was verified: who published the file, by the certificate, never by the page.

    ``publisher`` is the kind of identity (``GitHub``, ``GitLab``, ``Google``); ``repository`` and ``workflow`` name
    it as its kind does. ``predicate`` is the type of the statement.
    """

    publisher: Annotated[str, Field(min_length=1, max_length=100)]
    repository: Annotated[str, Field(min_length=1, max_length=300)]
    workflow: Annotated[str, Field(max_length=300)] = ""
    predicate: Annotated[str, Field(max_length=300)] = ""


class Scan(Record):
    """What a scanner, which may be wrong either way, noticed: the codes of its own rules, sorted.

    With a ``problem`` it did not look at the file, and what it would have noticed is unknown.
    """

    scanner: Annotated[str, Field(min_length=1, max_length=63)]
    version: Annotated[str, Field(max_length=63)] = ""
    findings: tuple[str, ...] = ()
    problem: Annotated[str, Field(max_length=300)] = ""


class BuildSystem(Record):
    """How a source distribution says that it is built (PEP 517, PEP 518).

    It is ``legacy`` where a ``setup.py`` says it, and no backend is named; ``requires`` then are what stands for it.
    """

    requires: Annotated[tuple[str, ...], Field(max_length=200)]
    backend: Annotated[str, Field(min_length=1, max_length=200)]
    path: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    legacy: bool = False


class Contained(Record):
    """A release of a Python project that a conda package holds, by the METADATA in it."""

    project: NormalName
    release: Annotated[str, Field(min_length=1, max_length=200)]


class Facts(Record):
    """The facts of one file, keyed by its sha256. An unknown fact is ``None`` or empty, never guessed.

    ``license_expression`` is an SPDX expression (PEP 639); ``license_hint`` is free text or a classifier that
    maps to one; ``license_classifiers`` are the licences that all classifiers name. ``files`` counts members,
    ``unpacked`` is their size in bytes. ``attestations`` holds only what was verified. ``build`` is of source only,
    ``contains`` of conda packages only.
    """

    sha256: Sha256
    size: int
    files: int = 0
    unpacked: int = 0
    metadata_sha256: Sha256 | None = None
    license_expression: str | None = None
    license_hint: str | None = None
    license_classifiers: tuple[str, ...] = ()
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    native: tuple[str, ...] = ()
    top_level: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    scans: tuple[Scan, ...] = ()
    build: BuildSystem | None = None
    contains: Annotated[tuple[Contained, ...], Field(max_length=500)] = ()

    def complete(self, artifact: Artifact) -> Artifact:
        """Return ``artifact`` with what was measured where the index said something else, or nothing.

        So what is approved states the size of the file and the hash of the METADATA that is in it, whatever the index
        knew. Raises ``ValueError`` if these are the facts of another file.
        """
        if artifact.sha256 != self.sha256:
            message = f"the facts of {self.sha256} are not those of {artifact.filename}"
            raise ValueError(message)
        index = dict(artifact.index)
        if artifact.filename.endswith(".whl"):
            index.pop("core-metadata", None)
            if self.metadata_sha256:
                index["core-metadata"] = self.metadata_sha256
        if self.requires_python:
            index.setdefault("requires-python", self.requires_python)
        return artifact.model_copy(update={"size": self.size, "index": index})
