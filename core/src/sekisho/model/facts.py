"""What is known of an artifact after it was fetched into quarantine and opened there."""

from sekisho.model.base import Record, Sha256


class Finding(Record):
    """Something the inspection noticed. ``code`` belongs to a closed vocabulary, see docs/reference/policy.md."""

    code: str
    detail: str


class Facts(Record):
    """The facts of one file, keyed by its sha256. An unknown fact is ``None`` or empty, never guessed.

    ``license_expression`` is an SPDX expression (PEP 639); ``license_hint`` is free text or a classifier that
    maps to one; ``license_classifiers`` are the licences that all classifiers name. ``files`` counts members,
    ``unpacked`` is their size in bytes.
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
