"""Small records, made in one line. What a test does not care about has a default here."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.allowlist import SignedApproval, sign_approval
from sekisho.model import Approval, Artifact, Closure, Edge, Facts, Request, Target, conda_artifact
from sekisho.policy import Policy, Snapshot
from sekisho.signing import Signer, Trust
from sekisho.sources import Source
from sekisho.vex import VexStatement

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TARGET = Target(python="3.11.2", glibc="2.36")
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
TRUST = Trust(SIGNER.trusted("portal", "approval", "snapshot"))
NO_RULE_APPLIES: Mapping[str, Any] = {"id": "yanked", "check": "yanked"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def artifact(project: str = "numpy", release: str = "2.1.0", **more: Any) -> Artifact:
    filename = more.pop("filename", f"{project.replace('-', '_')}-{release}-py3-none-any.whl")
    values = {
        "source": "pypi",
        "project": project,
        "release": release,
        "filename": filename,
        "path": f"packages/{filename}",
        "sha256": sha(filename),
        "size": 1000,
        "uploaded": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Artifact(**(values | more))


def package(project: str = "numpy", release: str = "2.1.0", build: str = "0", **more: Any) -> Artifact:
    """Return a package of a channel, ``depends`` and other parts of its record among ``more``."""
    filename = f"{project}-{release}-{build}.conda"
    source, subdir = more.pop("source", "forge"), more.pop("subdir", "linux-64")
    record = {"name": project, "version": release, "build": build, "size": 1000, "sha256": sha(filename)} | more
    return conda_artifact(source, filename, record, subdir=subdir, seen=datetime(2026, 1, 1, tzinfo=UTC))


def facts(of: Artifact, **more: Any) -> Facts:
    return Facts(**({"sha256": of.sha256, "size": of.size, "license_expression": "MIT"} | more))


def by_hash(*found: Facts) -> dict[str, Facts]:
    return {one.sha256: one for one in found}


def request(*requirements: str, **more: Any) -> Request:
    values = {"requester": "rita", "requirements": requirements or ("numpy",), "target": TARGET, "at": NOW}
    return Request(**(values | more))


def closure(*artifacts: Artifact, edges: Iterable[tuple[str, str]] = (), **more: Any) -> Closure:
    values = {
        "request": request().digest(),
        "target": TARGET,
        "direct": tuple(one.project for one in artifacts[:1]),
        "resolver": "uv 0",
        "artifacts": artifacts,
        "edges": tuple(Edge(project=above, needs=below) for above, below in edges),
    }
    return Closure(**(values | more))


def approval(*artifacts: Artifact, **more: Any) -> Approval:
    values = {
        "id": "a1",
        "request": "r1",
        "closure": sha("closure"),
        "policy": sha("policy"),
        "requested_by": "rita",
        "approved_by": "anna",
        "reason": "needed",
        "scope": ("everyone",),
        "at": NOW,
        "artifacts": artifacts or (artifact(),),
    }
    return Approval(**(values | more))


def signed(*artifacts: Artifact, signer: Signer = SIGNER, **more: Any) -> SignedApproval:
    return sign_approval(approval(*artifacts, **more), signer)


def statement(**more: Any) -> VexStatement:
    values = {
        "id": "v-1",
        "advisory": "CVE-2026-1",
        "project": "numpy",
        "releases": ("2.1.0",),
        "justification": "vulnerable_code_not_present",
        "requested_by": "rita",
        "approved_by": "anna",
        "at": NOW,
    }
    return VexStatement(**(values | more))


def policy(*rules: Mapping[str, Any]) -> Policy:
    return Policy.parse({"version": 1, "rules": list(rules) or [NO_RULE_APPLIES]}, where="policy.yaml")


def snapshot(*approvals: SignedApproval, rules: Iterable[Mapping[str, Any]] = (), **more: Any) -> Snapshot:
    values = {
        "revision": "0" * 40,
        "sequence": 1,
        "made": NOW,
        "policy": policy(*rules),
        "sources": (Source(id="pypi", preset="pypi"),),
        "approvals": approvals,
    }
    return Snapshot(**(values | more))
