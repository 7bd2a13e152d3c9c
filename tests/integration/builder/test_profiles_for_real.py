"""Profiles on an image of real packages. Needs an engine, and a folder of wheels that ``SEKISHO_TEST_PROFILES`` names."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.oci import to_docker_archive
from tests.integration.builder.test_images_in_an_engine import build
from tests.wheels import Wheel, make_wheel

pytestmark = pytest.mark.docker
WHEELS = os.environ.get("SEKISHO_TEST_PROFILES", "")
MARKS = {"mlflow": "job", "azureml-inference-server-http": "online", "azureml-core": "batch", "ipykernel": "notebook"}
"""The project by whose wheel a folder says that it is for a profile."""


@pytest.mark.skipif(not WHEELS, reason="SEKISHO_TEST_PROFILES names no folder of wheels")
def test_an_image_of_real_packages_does_what_its_profiles_say(engine, tmp_path):
    wheels = [make_wheel("alpha")]
    for path in sorted(Path(WHEELS).glob("*.whl")):
        project, release, *_ = parse_wheel_filename(path.name)
        wheels.append(Wheel(project, str(release), path.name, path.read_bytes(), b""))
    profiles = tuple(profile for project, profile in MARKS.items() if project in {wheel.project for wheel in wheels})
    assert profiles, f"{WHEELS} has wheels for none of {', '.join(MARKS)}"
    made, lock, layout = build(tmp_path, wheels, profiles=profiles)
    image = engine.load(to_docker_archive(layout, tmp_path / "image.tar"))
    try:
        report = run_gates(
            made, lock, image, engine, manifest=layout.manifest_sha256, now=datetime.now(UTC),
            gates={name: GATES[name] for name in ("profiles", "no-outbound")},
        )  # fmt: skip
    finally:
        engine.remove(image)
    assert [gate.evidence for gate in report.gates if gate.status == "failed"] == []
    assert {line.partition(":")[0] for line in report.gates[0].evidence} == set(profiles)
