"""What an approval says to others: one in-toto statement for each file that it admits.

The predicate is SLSA's dependency ingestion provenance, a draft of the Dependency Track ("Dependency: Provenance" in
the working draft). Fields and their meaning are its own, filled for level L2 of its matrix. What it has no field for is
below ``sekisho``, which its parsing rules let others ignore.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sekisho.model import Approval, Artifact, Built, Closure, Facts, Judgement, Verdict, canonical_json
from sekisho.signing import STATEMENT_TYPE, Envelope, Signer

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/dependency/v1"
"""The predicate's type, in this one place: what changes if the draft renames it."""

BUILD_PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:sekisho:build:wheel:v1"
"""What a build takes and how it runs: docs/how-to/decide.md, "Source", and decision 39."""

ENDING = ".intoto.jsonl"
"""A file of statements has one envelope a line (in-toto's "bundle")."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_UNAVAILABLE = {"availability": "unavailable"}


class Admission(NamedTuple):
    """What led to an approval: the closure, what was found in its files and when, and how they were judged.

    ``platform`` is the portal's address, ``door`` the proxy's; ``registries`` are the addresses of sources by their id.
    """

    closure: Closure
    facts: Mapping[str, Facts]
    inspected: datetime | None
    judgement: Judgement | None
    platform: str
    version: str
    door: str
    registries: Mapping[str, str]


def attest(approvals: Iterable[Approval], admission: Admission, signer: Signer) -> list[Envelope]:
    """Return a signed statement for each file of ``approvals``."""
    verdicts = {verdict.sha256: verdict for verdict in admission.judgement.verdicts} if admission.judgement else {}
    return [
        signer.envelope(
            STATEMENT_TYPE, canonical_json(statement(artifact, approval, verdicts.get(artifact.sha256), admission))
        )
        for approval in approvals
        for artifact in approval.artifacts
    ]


def statement(artifact: Artifact, approval: Approval, verdict: Verdict | None, admission: Admission) -> dict[str, Any]:
    """Return the statement on one file."""
    facts, digest = admission.facts.get(artifact.sha256), {"sha256": artifact.sha256}
    workspace = approval.scope[0]
    predicate = {
        "ingestor": {"id": admission.platform},
        "ingestionPlatform": {"id": admission.platform, "version": admission.version},
        "upstream": {
            "registry": "urn:sekisho:runner"
            if artifact.built
            else admission.registries.get(artifact.source, f"urn:sekisho:source:{artifact.source}"),
            "name": artifact.project,
            "version": artifact.release,
            "digest": digest,
        },
        "ingestion": {
            "timestamp": _time(approval.at),
            "path": f"{admission.door}/w/{workspace}/{artifact.kind}/{_below(artifact)}",
        },
        "integrity": {"method": "hash", "expected": digest, "result": "verified"}
        if facts
        else {"result": "unverified"},
        "publisherSignature": _publisher(artifact, facts),
        "policyEvaluations": list(_evaluations(approval, verdict, admission)),
        "upstreamProvenance": _provenance(artifact, facts),
        "signingIsolation": {
            "method": "separate-signer-process",
            "description": "The key is the portal's, which opens no package; no package's code runs meanwhile.",
            "signerIdentity": admission.platform,
        },
        "ingestionIsolation": {
            "method": "no-dep-code-executed",
            "description": "Archives are read in a limited process of their own, never imported or installed. What is "
            "only there as source is built once it is approved, in a container without a network or credentials.",
        },
        "sekisho": {key: part for key, part in approval.plain().items() if key != "artifacts"},
    }
    if parent := _parent(artifact, admission.closure):
        predicate["resolvedFrom"] = {"subject": {"sha256": parent}, "relationship": "runtime-dependency"}
    if facts and facts.scans and admission.inspected:
        predicate["scans"] = list(_scans(facts, admission.inspected))
    subject = [{"name": f"{artifact.project}@{artifact.release}", "digest": digest}]
    return {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}


def _scans(facts: Facts, inspected: datetime) -> Iterator[dict[str, Any]]:
    """Yield what each scanner said of a file."""
    for scan in facts.scans:
        yield {
            "type": "malware",
            "scanner": {"id": f"urn:sekisho:scanner:{scan.scanner}", "version": scan.version},
            "dataSource": scan.scanner,
            "timestamp": _time(inspected),
            "verdict": "findings" if scan.findings else "clean",
            "details": {"findings": list(scan.findings)},
        }


def _below(artifact: Artifact) -> str:
    """Return where a door has a file, below its kind."""
    return f"{artifact.source if artifact.kind == 'conda' else 'files'}/{artifact.path}"


def attest_built(built: Iterable[Built], platform: str, signer: Signer) -> list[Envelope]:
    """Return a signed statement of how each wheel came about that the runner built."""
    return [signer.envelope(STATEMENT_TYPE, canonical_json(build_statement(one, platform))) for one in built]


def build_statement(built: Built, platform: str) -> dict[str, Any]:
    """Return SLSA's build provenance of one wheel; ``platform`` is the address of the portal, whose runner it is."""
    wheel, source = built.wheel, built.source
    materials = [_material(source), *map(_material, built.requires)]
    materials.append({"name": "base", "digest": {"sha256": built.base}, "mediaType": _MANIFEST})
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"source": _material(source), **_extra(built)},
            "internalParameters": {"environment": dict(built.environment), "network": "none"},
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {"id": f"{platform}#runner", "version": {"runner": built.runner}},
            "metadata": {"startedOn": _time(built.begun), "finishedOn": _time(built.ended)},
            "byproducts": [
                {"name": "room", "digest": {"sha256": built.room}, "mediaType": _MANIFEST},
                {
                    "name": "second-build",
                    "annotations": {"reproducible": built.reproducible, "differing": list(built.differing)},
                },
            ],
        },
    }
    subject = [{"name": wheel.filename, "digest": {"sha256": wheel.sha256}}]
    return {"_type": STATEMENT, "subject": subject, "predicateType": BUILD_PREDICATE, "predicate": predicate}


def _extra(built: Built) -> dict[str, Any]:
    """Return what a request named for the build, under uv's names."""
    found = {"extra-build-dependencies": list(built.extra), "extra-build-variables": dict(built.variables)}
    return {key: value for key, value in found.items() if value}


def _material(artifact: Artifact) -> dict[str, Any]:
    return {"uri": artifact.purl, "name": artifact.filename, "digest": {"sha256": artifact.sha256}}


def write_statements(envelopes: Iterable[Envelope]) -> bytes:
    """Return the bytes of a file of statements."""
    return b"".join(envelope.canonical() + b"\n" for envelope in envelopes)


def read_statements(data: bytes, *, where: str) -> list[Envelope]:
    """Read a file of statements; raise ``BadInputError`` for what is none."""
    return [
        Envelope.parse_json(line, where=f"{where}, line {number}") for number, line in enumerate(data.splitlines(), 1)
    ]


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _parent(artifact: Artifact, closure: Closure) -> str | None:
    """Return the file that brought this one in; nothing for what was asked for by name."""
    chain = closure.why(artifact.node)
    files = {one.node: one.sha256 for one in closure.artifacts}
    return files.get(chain[-2]) if len(chain) > 1 else None


def _publisher(artifact: Artifact, facts: Facts | None) -> dict[str, Any]:
    if facts and facts.attestations:
        first = facts.attestations[0]
        identity = ":".join(filter(None, (first.publisher, first.repository, first.workflow)))
        return {"method": "sigstore", "keyId": identity, "result": "verified"}
    return {"result": "unverified"} if artifact.index.get("provenance") else _UNAVAILABLE


def _provenance(artifact: Artifact, facts: Facts | None) -> dict[str, Any]:
    if facts and facts.attestations:
        reference = artifact.index.get("provenance") or f"urn:sekisho:sha256:{artifact.sha256}"
        predicate = facts.attestations[0].predicate or "urn:sekisho:predicate:unnamed"
        return {"predicateType": predicate, "ref": reference, "verification": {"result": "verified"}}
    return {"verification": {"result": "not-attempted"}} if artifact.index.get("provenance") else _UNAVAILABLE


def _evaluations(approval: Approval, verdict: Verdict | None, admission: Admission) -> Iterator[dict[str, Any]]:
    """Yield the policy as a whole, then each rule that said something.

    The draft's ``result`` says what became of it, and every file here was admitted. What the rule itself answered, and
    who set it aside, is in the description.
    """
    policy, judged = f"{admission.platform}/api/policy", admission.judgement.at if admission.judgement else approval.at
    version = admission.judgement.policy if admission.judgement else approval.policy
    whose = "glass broken by" if approval.break_glass else "approved by"
    people = " and ".join(filter(None, (approval.approved_by, approval.seconded_by)))
    outcome = str(verdict.outcome) if verdict else "not judged yet"
    rows = [("policy", f"{outcome}; {whose} {people}: {approval.reason}")]
    for reason in verdict.reasons if verdict else ():
        aside = "" if str(reason.outcome) == "allow" else f"; {whose} {people}"
        rows.append((reason.rule, f"{reason.outcome}: {reason.evidence}{aside}"))
    for rule, said in rows:
        yield {
            "policy": {"id": f"{policy}#{rule}", "version": f"sha256:{version}"},
            "timestamp": _time(judged),
            "result": "allow",
            "description": said,
        }
