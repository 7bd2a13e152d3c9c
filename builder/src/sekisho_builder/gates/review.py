"""Run the gates over an image."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from sekisho.errors import MissingToolError, SekishoError
from sekisho.lock import Lock, lock_digest
from sekisho.model import GateReport, GateResult, ImageDefinition
from sekisho.ports import Containers
from sekisho_builder.gates.advisories import advisories
from sekisho_builder.gates.budget import budget
from sekisho_builder.gates.gpu_driver import gpu_driver
from sekisho_builder.gates.imports import imports
from sekisho_builder.gates.installed_set import installed_set
from sekisho_builder.gates.licences import licences
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.no_outbound import no_outbound
from sekisho_builder.gates.no_secrets import no_secrets
from sekisho_builder.gates.not_root import not_root
from sekisho_builder.gates.pip_check import pip_check
from sekisho_builder.gates.privileges import privileges
from sekisho_builder.gates.profiles import profiles
from sekisho_builder.gates.same_digest import same_digest
from sekisho_builder.gates.sbom import sbom
from sekisho_builder.gates.start_up import start_up
from sekisho_builder.gates.subject import Gate, Subject
from sekisho_builder.gates.target import target
from sekisho_builder.gates.traced_files import traced_files
from sekisho_builder.gates.verify import verify as verify_scripts

_LOG = logging.getLogger("sekisho.builder")

GATES: Mapping[str, Gate] = MappingProxyType(
    {
        "target": target,
        "installed-set": installed_set,
        "pip-check": pip_check,
        "not-root": not_root,
        "imports": imports,
        "verify": verify_scripts,
        "profiles": profiles,
        "no-outbound": no_outbound,
        "traced-files": traced_files,
        "privileges": privileges,
        "secrets": no_secrets,
        "budget": budget,
        "licences": licences,
        "advisories": advisories,
        "start-up": start_up,
        "gpu-driver": gpu_driver,
        "same-digest": same_digest,
        "sbom": sbom,
    }
)
"""Every gate by its name, in the order in which they run; ``no-outbound`` looks at what those before it ran.

docs/reference/gates.md describes each.
"""


def run_gates(
    definition: ImageDefinition,
    lock: Lock,
    image: str,
    containers: Containers,
    *,
    manifest: str,
    now: datetime,
    verify: Path | None = None,
    made: Made | None = None,
    gates: Mapping[str, Gate] = GATES,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> GateReport:
    """Run all gates, also after one has failed, and report.

    ``image`` is the engine's name for the image, ``manifest`` the sha256 of its manifest, ``verify`` the folder of
    the definition's own scripts; ``made`` is what gates look at that start no container, and they fail without it. A
    missing engine or tool raises ``MissingToolError``: that says nothing of the image.
    """
    folder = verify if verify is not None and verify.is_dir() else None
    subject = Subject(definition, lock, image, containers, folder, {}, made)
    results = []
    for number, (name, gate) in enumerate(gates.items()):
        progress(number, len(gates))
        results.append(_run(name, gate, subject))
    progress(len(gates), len(gates))
    return GateReport(image=manifest, lock=lock_digest(lock), gates=tuple(results), at=now)


def _run(name: str, gate: Gate, subject: Subject) -> GateResult:
    started = time.monotonic()
    try:
        answer = gate(subject)
        passed, evidence = answer.passed, answer.evidence
    except MissingToolError:
        raise
    except SekishoError as error:
        passed, evidence = False, (error.what,)
    except Exception as error:  # noqa: BLE001 (an image made it stumble, which is no reason to pass)
        _LOG.exception("gate %s could not look", name)
        passed, evidence = False, (f"the gate could not look: {type(error).__name__}: {str(error)[:300]}",)
    return GateResult(
        gate=name,
        status="passed" if passed else "failed",
        evidence=evidence,
        milliseconds=round(1000 * (time.monotonic() - started)),
    )
