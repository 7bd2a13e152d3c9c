"""The attestations of a provenance (PEP 740), verified against a file's hash and a trust root, without any network.

What an attestation says counts only if the certificate's chain, its entry in the transparency log and the signature
hold, the certificate is that of the publisher whom the provenance names, and the statement is about this very file.
It runs in the inspector's process: certificates and log entries are bytes of unknown intent, too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename
from pydantic import ValidationError
from pypi_attestations import Attestation as Signed
from pypi_attestations import AttestationBundle, AttestationError, AttestationType, Distribution
from sigstore._internal.tuf import DEFAULT_TUF_URL
from sigstore._utils import read_embedded
from sigstore.errors import Error as SigstoreError
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import VerificationPolicy
from sigstore_models.trustroot import v1 as trustroot_v1

from sekisho.model import Attestation, Facts, Finding
from sekisho.model.facts import UNVERIFIED
from sekisho_proxy.inspect.wheel import Job

_MOST = 20
"""Attestations of one file that are looked at; real files have one or two."""

_PAYLOAD = "application/vnd.in-toto+json"


def verify_provenance(job: Job) -> Facts:
    """Return what the provenance at ``job.provenance`` proves of the file: facts of nothing else."""
    try:
        verifier = Verifier(trusted_root=_root(job.trust_root))
    except (SigstoreError, ValueError, OSError) as error:
        finding = Finding(code=UNVERIFIED, detail=_printable(f"the trust root cannot be read: {error}"))
        return Facts(sha256=job.sha256, size=0, findings=(finding,))
    data = json.loads(Path(job.provenance).read_bytes())
    found: list[Attestation] = []
    problems: list[str] = []
    for number, (publisher, value) in enumerate(_attestations(data)):
        if number >= _MOST:
            problems.append(f"it has more than {_MOST} attestations")
            break
        try:
            found.append(_verified(publisher, value, job, verifier))
        except ValidationError as error:
            problems.append(f"an attestation of another form: {error.errors()[0]['msg']}")
        except (AttestationError, SigstoreError, ValueError, LookupError, TypeError) as error:
            problems.append(str(error).strip() or type(error).__name__)
    findings = tuple(Finding(code=UNVERIFIED, detail=_printable(text)) for text in dict.fromkeys(problems))
    return Facts(sha256=job.sha256, size=0, attestations=tuple(dict.fromkeys(found)), findings=findings)


def _root(path: str) -> TrustedRoot:
    data = Path(path).read_bytes() if path else read_embedded("trusted_root.json", DEFAULT_TUF_URL)
    return TrustedRoot(trustroot_v1.TrustedRoot.from_json(data))


def _attestations(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for bundle in value["attestation_bundles"]:
        for attestation in bundle["attestations"]:
            yield bundle["publisher"], attestation


def _verified(publisher: dict[str, Any], value: dict[str, Any], job: Job, verifier: Verifier) -> Attestation:
    """Return one attestation; raise if anything about it does not hold."""
    bundle = AttestationBundle.model_validate({"publisher": publisher, "attestations": [value]})
    predicate = _about(bundle.attestations[0], job, verifier, bundle.publisher._as_policy())  # noqa: SLF001 (its only way)
    return _identity(bundle, predicate)


def _about(signed: Signed, job: Job, verifier: Verifier, policy: VerificationPolicy) -> str:
    kind, payload = verifier.verify_dsse(signed.to_bundle(), policy)
    if kind != _PAYLOAD:
        raise AttestationError(f"its payload is {kind!r}, not an in-toto statement")
    statement = json.loads(payload)
    [subject] = statement["subject"]
    if subject["digest"].get("sha256") != job.sha256:
        raise AttestationError("it is about another file")
    if parse_wheel_filename(subject["name"]) != parse_wheel_filename(Distribution(name=job.filename, digest="").name):
        raise AttestationError(f"it is about a file named {subject['name'][:100]!r}")
    return AttestationType(statement["predicateType"]).value


def _identity(bundle: AttestationBundle, predicate: str) -> Attestation:
    """Name a publisher as its kind does; only what the certificate was checked for is taken from the page."""
    said = bundle.publisher.model_dump()
    repository = said.get("repository") or said.get("email") or said.get("vcs_origin") or said.get("project_id")
    workflow = said.get("workflow") or said.get("workflow_filepath") or said.get("pipeline_definition_id") or ""
    return Attestation(publisher=said["kind"], repository=repository, workflow=workflow, predicate=predicate)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:500]
