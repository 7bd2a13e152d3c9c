"""Conda packages on an image, for real: a CPython of this machine, projects installed here, and an unmodified client."""

import json
import os
import subprocess
import sys
import tarfile
from datetime import UTC, datetime

import pytest
from packaging.requirements import Requirement

from sekisho.definitions import read_definition
from sekisho.model import Target, spec_name
from sekisho.ports import ContainerTask
from sekisho_builder.assemble.conda_archive import CondaPackage
from sekisho_builder.assemble.conda_layers import build_conda
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.layer_series import LayerForm
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.oci import to_docker_archive
from tests.channels import Channel, FakeChannels, Rattler, installed, make_package, python_package
from tests.channels.packages import PLACEHOLDER, Link
from tests.fake_upstream import run_asgi
from tests.integration.builder.real_base import IMAGES, on_the_real_base
from tests.unit.builder.conda_room import conda_lock_of
from tests.unit.builder.gating import ACCEPT
from tests.unit.builder.room import definition
from tests.wheels import make_wheel

PREFIX = "/opt/conda"
PYTHON = python_package()
TARGET = Target(python=PYTHON.version, glibc="2.36")
TOOL = make_package(
    "tool",
    "0.3",
    build="h1_0",
    subdir="linux-64",
    ending=".tar.bz2",
    depends=("python", "__glibc >=2.17"),
    files={
        "bin/tool": f"#!{PLACEHOLDER}/bin/python\nimport sys\nprint(open('{PLACEHOLDER}/share/tool').read(), sys.prefix)\n".encode(),
        "share/tool": b"data of the tool",
        "share/latest": Link("tool"),
        "etc/conda/env_vars.d/tool.json": f'{{"TOOL_DATA": "{PLACEHOLDER}/share/tool"}}'.encode(),
        "etc/conda/activate.d/tool.sh": b"export TOOL_DATA=/nowhere\n",
        "lib/where.bin": b"\0\1" + PLACEHOLDER.encode() + b"/share\0end",
    },
    binary=frozenset({"lib/where.bin"}),
)
PACKAGES = (PYTHON, TOOL, installed("idna"), installed("packaging"))
SPECS = ("idna", "packaging", "python", "tool")
WHEEL = make_wheel(
    "alpha",
    entry_points="[console_scripts]\nhello = alpha:main\n",
    requires=("idna",),
    files={
        "alpha/__init__.py": b"import idna, sys\ndef main():\n    print('hello', idna.encode('x').decode(), sys.prefix)\n"
    },
)
CONDA = {
    "base": {"debian": "debian-12"},
    "target": TARGET,
    "conda": SPECS,
    "prefix": PREFIX,
    "requirements": ("alpha",),
    "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
    "accept": ACCEPT,
}


def build(folder, made, packages, wheels=()):
    """Assemble on the real base; return the lock and the image's papers."""
    lock = conda_lock_of(packages, wheels, target=made.target, direct=made.requirements, conda=made.conda,
                         name=made.name, resolve_before=made.resolve_before)  # fmt: skip
    return lock, on_the_real_base(folder, made, lock, (*packages, *wheels))


@pytest.fixture(scope="module")
def built(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    made = definition(**CONDA)
    lock, papers = build(folder, made, PACKAGES, [WHEEL])
    image = engine.load(to_docker_archive(papers.layout, folder / "image.tar"))
    yield made, lock, papers, image
    engine.remove(image)


@pytest.mark.docker
def test_programs_of_both_kinds_run(engine, built):
    script = (
        "tool; hello; command -v python; python -c 'import sys; print(sys.version.split()[0])'; cat $P/share/latest;"
        " echo; echo $TOOL_DATA $CONDA_PREFIX $CONDA_DEFAULT_ENV $CONDA_SHLVL"
    )
    result = engine.run(ContainerTask(image=built[3], command=("sh", "-c", script), environment={"P": PREFIX}))
    assert result.output.splitlines() == [
        f"data of the tool {PREFIX}", f"hello x {PREFIX}", f"{PREFIX}/bin/python", PYTHON.version, "data of the tool",
        f"{PREFIX}/share/tool {PREFIX} {PREFIX} 1",
    ]  # fmt: skip


@pytest.mark.docker
def test_every_gate_passes(engine, built):
    made, lock, papers, image = built
    manifest = papers.layout.manifest_sha256
    report = run_gates(made, lock, image, engine, manifest=manifest, made=papers, now=datetime.now(UTC))
    assert {gate.gate: gate.status for gate in report.gates} == dict.fromkeys(GATES, "passed"), report
    evidence = {gate.gate: gate.evidence for gate in report.gates}
    assert "4 conda packages, all as locked, with 2 Python projects in them" in evidence["installed-set"]
    assert any("of the 4 approved conda packages" in line for line in evidence["traced-files"])


@pytest.mark.docker
def test_the_curated_image_of_a_channel_passes_what_does_not_need_its_real_packages(engine, tmp_path):
    """Its definition, on its base, over this machine's CPython and a tiny package of each other name that it asks for."""
    curated = read_definition(IMAGES, "sklearn-conda")
    names = [spec_name(spec) for spec in curated.conda]
    specs = tuple(f"python {PYTHON.version}" if name == "python" else name for name in names)
    made = curated.model_copy(update={"target": TARGET, "conda": specs})
    packages = [PYTHON] + [
        make_package(name, noarch="python", files={f"site-packages/{name.replace('-', '_')}/__init__.py": b"x = 1\n"})
        for name in names
        if name != "python"
    ]
    lock, papers = build(
        tmp_path, made, packages, [make_wheel(Requirement(text).name, "1.62") for text in made.requirements]
    )
    image = engine.load(to_docker_archive(papers.layout, tmp_path / "image.tar"))
    try:
        gates = {name: GATES[name] for name in ("target", "installed-set", "pip-check", "not-root", "imports", "sbom")}
        manifest = papers.layout.manifest_sha256
        report = run_gates(
            made, lock, image, engine, manifest=manifest, made=papers, now=datetime.now(UTC), gates=gates
        )
    finally:
        engine.remove(image)
    assert {gate.gate: gate.status for gate in report.gates} == dict.fromkeys(gates, "passed"), report
    assert not [package for package in papers.system.packages if package.name.startswith("python")]


MEASURE = """
import sys
from pathlib import Path
from sekisho_builder.assemble.conda_archive import CondaPackage
from sekisho_builder.assemble.conda_layers import build_conda
from sekisho_builder.assemble.environment import Environment
from sekisho_builder.assemble.layer_series import LayerForm
file, name, sha256, out = Path(sys.argv[1]), *sys.argv[2:]
package = CondaPackage("main", f"linux-64/{name}", name, sha256, file.stat().st_size, file)
build_conda([package], Environment("opt/env", "3.11"), LayerForm("spliced", 1 << 31), Path(out))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def megabytes(folder, package):
    """Return the most memory that packing a package took, in a process of its own."""
    file = folder / package.filename
    file.write_bytes(package.data)
    command = [sys.executable, "-c", MEASURE, file, package.filename, package.sha256, folder / f"{package.stem}.gz"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_does_not_grow_with_a_package(tmp_path):
    """A text and a binary that are larger than what is kept in memory, each with placeholders all over."""
    line = PLACEHOLDER.encode() + b"/lib and more\n"
    text = b"".join(os.urandom(2000).hex().encode() + line for _ in range(6000))
    binary = frozenset({"lib/binary.so"})
    large = make_package("large", subdir="linux-64", binary=binary,
                         files={"share/text": text, "lib/binary.so": text.replace(b"\n", b"\0")})  # fmt: skip
    small = large.but(name="small", files={"share/text": line, "lib/binary.so": line.replace(b"\n", b"\0")})
    assert megabytes(tmp_path, large) < megabytes(tmp_path, small) + len(text) // 1_000_000


def laid_out(prefix, folder):
    """Return what an environment at ``prefix`` holds, by path: links as their targets."""
    minor = PYTHON.version.rpartition(".")[0]
    environment = Environment("place", minor, known_as=str(prefix))
    shelf = []
    for package in PACKAGES:
        (folder / package.filename).write_bytes(package.data)
        shelf.append(CondaPackage("main", package.path, package.filename, package.sha256, len(package.data),
                                  folder / package.filename))  # fmt: skip
    build_conda(shelf, environment, LayerForm("spliced", 1 << 31), folder / "layer.tar.gz")
    with tarfile.open(folder / "layer.tar.gz") as archive:
        return {
            info.name.removeprefix("place/"): info.linkname if info.issym() else archive.extractfile(info).read()
            for info in archive
            if not info.isdir()
        }


def test_what_lies_there_is_what_an_unmodified_client_installs(tmp_path):
    """Every file of py-rattler's own installation, byte for byte, but for bytecode, records and entry points."""
    prefix = tmp_path / "env"
    ours = laid_out(prefix, tmp_path)
    with run_asgi(FakeChannels(channels={"main": Channel(PACKAGES)})) as url, Rattler(tmp_path / "client") as client:
        client.install([f"{url}/main"], list(SPECS), prefix)
    theirs = {
        str(path.relative_to(prefix)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in prefix.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    del theirs["CACHEDIR.TAG"]  # the client's own
    programs = {"bin/idna"} & theirs.keys()
    plain = {name for name in theirs if not name.endswith(".pyc") and not name.startswith("conda-meta/")} - programs
    assert {name for name in ours if not name.startswith("conda-meta/")} - programs == plain
    assert len(plain) > 500
    assert [name for name in plain if ours[name] != theirs[name]] == []
    for package in PACKAGES:
        mine, other = (json.loads(side[f"conda-meta/{package.stem}.json"]) for side in (ours, theirs))
        for key in ("name", "version", "build", "build_number", "depends", "subdir", "sha256", "size", "fn", "noarch"):
            assert mine.get(key) == other.get(key), (package.name, key)
        rows = {row["_path"]: row for row in other["paths_data"]["paths"]}
        for row in mine["paths_data"]["paths"]:
            if row["path_type"] == "hardlink":
                assert row["sha256"] == rows[row["_path"]]["sha256"]
                assert row["sha256_in_prefix"] == rows[row["_path"]].get("sha256_in_prefix", row["sha256"])
