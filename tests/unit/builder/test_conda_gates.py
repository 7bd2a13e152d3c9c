"""Gates that start no container, over images of conda packages."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from sekisho.model import Edge, Reason
from sekisho.ports import ContainerResult
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.gates.probes import imports, installed
from sekisho_builder.gates.subject import MARK, WORD
from tests.fakes import FakeContainers
from tests.records import NOW
from tests.unit.builder.conda_room import HOME, LIBRARY, PACKAGES, PREFIX, PYTHON, SITE, SPECS, TOOL, CondaHouse
from tests.unit.builder.gating import STATIC, Gating, entry, layer_of, tar_of
from tests.wheels import make_wheel

CONDA = {"conda": SPECS, "prefix": HOME}


@pytest.fixture
def gating(tmp_path):
    found = Gating(tmp_path)
    found.packages = PACKAGES
    return found


def test_a_sound_conda_image_passes_every_static_gate(gating):
    made = gating.build(**CONDA)
    for gate in STATIC:
        result = gating.run_over(made, gate)
        assert result.status == "passed", (gate, result.evidence)
    evidence = gating.run_over(made, "traced-files").evidence
    assert "8 files and links are members of the 3 approved conda packages" in evidence
    assert "3 files have the prefix where the package has its placeholder, worked out again" in evidence
    assert "4 files follow from them by rule: programs of entry points, records in conda-meta" in evidence


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{PREFIX}/bin/tool", "is not what conda's tool 0.3 lays there"),
        (f"{PREFIX}/conda-meta/{TOOL.stem}.json", "is not what conda's tool 0.3 lays there"),
        (f"{PREFIX}/share/tool/data.txt", "is not what conda's tool 0.3 lays there"),
        (f"{PREFIX}/conda-meta/history", "is not what the environment itself has there"),
        (f"{SITE}/extra.py", "is in no approved package"),
    ],
)
def test_what_was_changed_above_is_named(gating, path, says):
    gating.on_top = [layer_of(gating.folder / "top", tar_of([entry(path, b"#!/bin/sh\n", mode=0o755)]))]
    result = gating.run("traced-files", **CONDA)
    assert result.status == "failed"
    assert any(line.startswith(f"/{path}") and says in line for line in result.evidence)


def test_what_is_missing_is_named(gating):
    """The image lacks a package that its lock has: its layers are those of another lock."""
    less = Gating(gating.folder / "less")
    less.folder.mkdir()
    less.packages = (PYTHON, LIBRARY)
    smaller = less.build(**CONDA)
    mixed = replace(gating.build(**CONDA), layout=smaller.layout, base=smaller.base)
    result = gating.run_over(mixed, "traced-files")
    assert f"/{PREFIX}/bin/tool of conda's tool 0.3 is missing" in result.evidence


def test_bills_of_materials_name_conda_packages(gating):
    edge = Edge(project="conda:library", needs="conda:python")
    gating.more = {"edges": (edge,)}
    result = gating.run("sbom", **CONDA)
    assert any("1 wheels, 3 conda packages" in line for line in result.evidence)
    documents = {name: json.loads(data) for name, data in gating.kept.items()}
    components = {row["name"]: row for row in documents["sbom.cdx.json"]["components"]}
    library = components["library"]
    assert library["purl"].startswith("pkg:conda/library@2.0?")
    assert library["hashes"] == [{"alg": "SHA-256", "content": LIBRARY.sha256}]
    needs = {row["ref"]: row.get("dependsOn", []) for row in documents["sbom.cdx.json"]["dependencies"]}
    assert needs[library["purl"]] == [components["python"]["purl"]]
    names = {row["name"]: row for row in documents["sbom.spdx.json"]["packages"]}
    assert names["tool"]["packageFileName"] == "tool-0.3-h2_0.tar.bz2"


def test_what_the_policy_says_of_conda_packages_counts(gating):
    gating.reasons = {"tool": [Reason(rule="licence", outcome="deny", evidence="the licence is unknown")]}
    result = gating.run("licences", **CONDA)
    assert (result.status, result.evidence[0]) == ("failed", "conda:tool 0.3: the licence is unknown (licence)")
    assert any("no advisory data covers the locked conda packages" in line for line in gating.run("advisories", **CONDA).evidence)  # fmt: skip
    gating.more = {"covered": frozenset({"pypi"})}
    said = gating.run("advisories", **CONDA).evidence
    assert any("judged by the projects of the index that they hold" in line for line in said)
    assert not any("covers the locked conda packages" in line for line in said)


def unpacked(house, folder):
    """Write what an image's environment holds to a folder, as a container would see it."""
    for path, data in house.texts().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder / "lib/python3.11/site-packages", folder / "conda-meta"


def ask(probe, *arguments):
    run = subprocess.run(
        [sys.executable, probe.__file__, *map(str, arguments)], env={WORD: "w", "PYTHONPATH": str(arguments[0])}, capture_output=True, text=True, check=True
    )  # fmt: skip
    return json.loads(run.stdout.partition(f"{MARK}w")[2])


def test_the_probes_see_what_conda_packages_brought(tmp_path):
    house = CondaHouse(tmp_path)
    house.lay(*PACKAGES, wheels=[make_wheel("alpha")])
    site, meta = unpacked(house, tmp_path / "env")
    found = ask(installed, site, meta)
    assert found["installed"] == [["alpha", "1.0", "sekisho"]]
    assert found["brought"] == {"library": "library"}
    assert [row[0] for row in found["conda"]] == ["library", "python", "tool"]
    heard = ask(imports, site, 20, meta)
    assert heard["modules"]["library"] == ["conda:library", ""]
    assert {"conda:library", "conda:tool", "conda:python", "alpha"} <= set(heard["distributions"])


def test_a_second_project_of_one_name_is_no_packages_own(tmp_path):
    house = CondaHouse(tmp_path)
    house.lay(*PACKAGES)
    site, meta = unpacked(house, tmp_path / "env")
    (site / "Library-1.0.dist-info").mkdir()
    (site / "Library-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: Library\nVersion: 1.0\n")
    assert ["Library", "1.0", ""] in ask(installed, site, meta)["installed"]


SOUND = {
    "installed": [["alpha", "1.0", "sekisho"]],
    "conda": [["library", "2.0", "pyhd_0"], ["python", "3.11.2", "h1_0"], ["tool", "0.3", "h2_0"]],
    "brought": {"library": "library"},
    "python": "3.11.2",
    "libc": "2.36",
    "shell": True,
}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, None),
        ({"conda": SOUND["conda"][:2]}, "conda's tool 0.3 h2_0 is locked and not installed"),
        ({"conda": [*SOUND["conda"], ["evil", "6", "0"]]}, "conda's evil 6 0 is installed and not locked"),
        ({"brought": {"Alpha": "library"}}, "Alpha is installed twice: as a wheel, and by conda's library"),
        ({"installed": [*SOUND["installed"], ["library", "2.0", ""]]}, "library 2 is installed and not locked"),
    ],
)
def test_the_installed_set_of_a_conda_image(gating, answer, says):
    made = gating.build(**CONDA)
    said = json.dumps(SOUND | answer)
    engine = FakeContainers(lambda task: ContainerResult(status=0, output=f"{MARK}{task.environment[WORD]}{said}\n"))
    report = run_gates(
        made.definition, made.lock, "i", engine, manifest=made.layout.manifest_sha256, now=NOW, made=made,
        gates={"installed-set": GATES["installed-set"]},
    )  # fmt: skip
    (result,) = report.gates
    assert result.status == ("failed" if says else "passed")
    assert (says or "3 conda packages, all as locked, with 1 Python projects in them") in result.evidence
    assert all(f"{HOME}/conda-meta" in task.command for task in engine.tasks)
