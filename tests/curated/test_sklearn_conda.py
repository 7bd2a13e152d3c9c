"""``images/sklearn-conda``, for real: asked for, solved, judged, approved, locked, built, gated, delivered; what comes out runs."""

import json
import os
import subprocess
import sys
import tarfile

import pytest

from sekisho.client import PortalClient
from sekisho.containers import DockerContainers
from sekisho.lock import UNIFIED_FILE, Lock, read_conda_lock
from sekisho.ports import ContainerTask
from sekisho_builder.gates import GATES
from sekisho_builder.gates.sbom import CYCLONEDX
from tests.curated.conftest import IMAGE
from tests.integration.line.site import ROOT, SEKISHO

pytestmark = pytest.mark.timeout(3600)  # with the making of all that the first test asks for

BIN = ROOT / ".venv" / "bin"
FIT = ROOT / "images" / IMAGE / "verify" / "fit.py"
PREFIX = "/opt/conda"
USE = "import mlflow, pyarrow, scipy.linalg, matplotlib.pyplot, pandas; print(mlflow.__version__, pyarrow.__version__)"
RATTLER = """
import os, sys, rattler
for path in sys.argv[1:]:
    found = rattler.PrefixRecord.from_path(path)
    print(found.name.normalized, found.version, found.sha256.hex())
sys.stdout.flush()
os._exit(0)  # it may crash while an interpreter ends
"""
LISTED = """
import glob, json, os
rows = [json.load(open(path)) for path in sorted(glob.glob(os.environ["CONDA_PREFIX"] + "/conda-meta/*.json"))]
print(json.dumps({"packages": [[row["name"], row["version"], row["build"], row["channel"]] for row in rows],
                  "asked": sorted(spec for row in rows for spec in row.get("requested_specs", [])),
                  "active": {key: value for key, value in os.environ.items() if key.startswith("CONDA")}}))
"""


@pytest.fixture(scope="session")
def lock(line):
    with PortalClient(line.site.portal, line.site.tokens["ana"], direct=True) as portal:
        return Lock.parse(portal.lock_of(line.request), where="the request")


@pytest.fixture(scope="session")
def files(line):
    """The folder of the image's locks, written and committed by one command."""
    with line.timed("sekisho_lock"):
        said = line.site.ok("lock", IMAGE, "--json", who="ana").stdout
    rows = json.loads(said)["files"]
    assert [row["committed"] for row in rows] == [True, True]
    return line.site.images / IMAGE


@pytest.fixture(scope="session")
def image(line):
    """The image as it is pulled from the registry, by digest."""
    found = line.status["image"]
    reference = f"{found['registry']}/{found['repository']}@sha256:{found['manifest']}"
    engine = DockerContainers(os.environ.get("DOCKER_HOST"))
    yield engine, engine.pull(reference)
    engine.forget(lambda name: name == reference)


def run(*command, folder):
    """Run a program with nothing of this machine in its environment."""
    kept = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "MPLBACKEND": "Agg", "PIP_CONFIG_FILE": os.devnull,
            "GIT_PYTHON_REFRESH": "quiet", "PYTHONNOUSERSITE": "1"}  # fmt: skip
    done = subprocess.run([*map(str, command)], cwd=folder, env=kept, capture_output=True, text=True, check=False,
                          timeout=900)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def runs(prefix, folder):
    """What the image's own test wants, and libraries with native code, in an environment at ``prefix``."""
    run(prefix / "bin" / "python", FIT, folder=folder)
    said = run(prefix / "bin" / "python", "-c", USE, folder=folder)
    assert said.split()[0] == run(prefix / "bin" / "mlflow", "--version", folder=folder).split()[-1]


def test_every_gate_passes_and_a_job_runs(line):
    report = line.status["gates"]
    assert {gate["gate"]: gate["status"] for gate in report["gates"]} == dict.fromkeys(GATES, "passed")
    evidence = {gate["gate"]: gate["evidence"] for gate in report["gates"]}
    assert any("job: /bin/sh started Python, and MLflow" in row for row in evidence["profiles"]), evidence["profiles"]
    assert any("fit.py" in row for row in evidence["verify"]), evidence["verify"]
    made = line.status["assembly"]
    line.figures |= {
        "gates": {gate["gate"]: gate.get("milliseconds", 0) / 1000 for gate in report["gates"]},
        "gates_evidence": evidence,
        "packages": line.status["closure"]["packages"],
        "counts": line.status["counts"],
        "megabytes": made["size"] / 1e6,
        "layers": len(made["layers"]),
    }


def test_all_that_is_asked_of_the_channel_is_locked_and_the_rest_are_wheels(line, lock):
    names = {package.project for package in lock.of("conda")}
    assert {"python", "scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "matplotlib-base", "mlflow"} <= names
    wheels = {wheel.project for wheel in lock.of("pypi")}
    assert "azureml-mlflow" in wheels
    assert not wheels & (names | {"matplotlib", "typing-extensions", "tzdata"}), "what the channel's packages hold"


def test_the_lock_is_one_command_and_conda_lock_itself_says_the_same(line, lock, files):
    def rows(path):
        found = read_conda_lock(path.read_text(), platform="linux-64", where=str(path))
        return {(row.manager, row.name, row.release, row.url, row.sha256) for row in found}

    ours = rows(files / UNIFIED_FILE)
    assert len(ours) == len(lock.artifacts)
    assert (files / "requirements.lock").read_text().count("--hash=sha256:") == len(lock.of("pypi"))
    again = json.loads(line.site.ok("lock", IMAGE, "--json", who="ana").stdout)["files"]
    assert [(row["changed"], row["committed"]) for row in again] == [(False, False)] * 2
    with line.timed("sekisho_lock_by_conda_lock"):
        line.site.ok("lock", IMAGE, "--engine", "conda-lock", "--format", "conda-lock", "--no-commit", who="ana")
    assert rows(files / UNIFIED_FILE) == ours
    line.site.git("checkout", "--", ".")


def test_conda_lock_installs_it_with_no_conda_and_it_runs(line, files, tmp_path):
    prefix = tmp_path / "env"
    with line.timed("conda_lock_install"):
        run(BIN / "conda-lock", "install", "--conda", BIN / "sekisho-conda", "-p", prefix, files / UNIFIED_FILE,
            folder=tmp_path)  # fmt: skip
    runs(prefix, tmp_path)


def test_its_archive_is_unpacked_elsewhere_and_runs(line, lock, tmp_path):
    archive = tmp_path / "kernel.tar.gz"
    with line.timed("archive"):
        line.site.ok("builder", "archive", IMAGE, "--output", str(archive))
    line.figures["archive_megabytes"] = archive.stat().st_size / 1e6
    elsewhere = tmp_path / "some" / "where" / "else"
    with tarfile.open(archive) as packed:
        packed.extractall(elsewhere, filter="data")
    run(elsewhere / IMAGE / "bin" / "sekisho-unpack", folder=tmp_path)
    runs(elsewhere / IMAGE, tmp_path)
    records = sorted((elsewhere / IMAGE / "conda-meta").glob("*.json"))
    said = run(sys.executable, "-c", RATTLER, *records, folder=tmp_path)
    assert set(said.splitlines()) == {f"{one.project} {one.release} {one.sha256}" for one in lock.of("conda")}


def test_the_image_lists_its_packages_as_conda_does_and_is_active(image, lock, line):
    engine, name = image
    said = json.loads(engine.run(ContainerTask(image=name, command=("python", "-c", LISTED))).output)
    assert {(row[0], row[1], row[3]) for row in said["packages"]} == {
        (package.project, package.release, "forge") for package in lock.of("conda")
    }
    assert said["asked"] == sorted(lock.conda)
    assert said["active"] == {"CONDA_PREFIX": PREFIX, "CONDA_DEFAULT_ENV": PREFIX, "CONDA_SHLVL": "1"}
    done = engine.run(ContainerTask(image=name, command=("sh", "-c", f"python -c '{USE}'; mlflow --version")))
    assert done.status == 0, done.output
    assert len(done.output.split()) == 5


def test_its_bill_of_materials_names_every_package_by_channel(line, lock):
    evidence = line.site.data / "builder" / "evidence" / line.status["assembly"]["manifest"]
    components = json.loads((evidence / CYCLONEDX).read_text())["components"]
    named = {row["purl"]: row for row in components if row.get("purl", "").startswith(("pkg:conda/", "pkg:pypi/"))}
    assert named.keys() == {artifact.purl for artifact in lock.artifacts}
    hashes = {row["hashes"][0]["content"] for row in named.values()}
    assert hashes == {artifact.sha256 for artifact in lock.artifacts}


def test_a_channel_is_declared_to_conda_in_one_command(line, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = line.site.environment("ana") | {"HOME": str(home)}
    done = subprocess.run([SEKISHO, "configure", "conda", "--channel", "forge"], env=environment, cwd=tmp_path, capture_output=True, text=True,
                          check=False, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = "".join(path.read_text() for path in home.rglob("*condarc*"))
    assert f"{line.site.proxy}/w/everyone/conda" in written
