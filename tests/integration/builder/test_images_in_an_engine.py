"""Images assembled here, in a real Docker engine, on the real base. Needs the base in the cache, or root and a mirror."""

import hashlib
import os
import time
from datetime import UTC, datetime

import pytest

from sekisho.errors import NotFoundError, UpstreamError
from sekisho.ports import ContainerTask, Mount
from sekisho_builder.base.debian_lock import DebianLock
from sekisho_builder.gates import GATES, run_gates
from sekisho_builder.oci import to_docker_archive
from tests.debs import info_of, locked, make_deb
from tests.integration.builder.real_base import on_the_real_base
from tests.unit.builder.gating import ACCEPT, STATIC
from tests.unit.builder.room import definition, lock_of
from tests.wheels import make_wheel

pytestmark = pytest.mark.docker

SMALL = {
    "base": {"debian": "debian-12-python"},
    "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
    "accept": ACCEPT,
}
WHEELS = [
    make_wheel("alpha", entry_points="[console_scripts]\nhello = alpha:main\n", requires=("beta>=1",),
               files={"alpha/__init__.py": b"def main():\n    print('hello from alpha')\n"}),
    make_wheel("beta", "2.0"),
]  # fmt: skip


def build(folder, wheels, **more):
    """Assemble on the real base; return definition, lock and the image's papers."""
    made, lock = definition(**(SMALL | more)), lock_of(wheels)
    return made, lock, on_the_real_base(folder, made, lock, wheels)


@pytest.fixture(scope="module")
def built(engine, tmp_path_factory):
    """(definition, lock, build, the engine's image id) of a small sound image."""
    folder = tmp_path_factory.mktemp("built")
    made, lock, papers = build(folder, WHEELS)
    image = engine.load(to_docker_archive(papers.layout, folder / "image.tar"))
    yield made, lock, papers, image
    engine.remove(image)


def test_the_engine_reads_our_layers(engine, built):
    assert built[3] == f"sha256:{built[2].layout.config_descriptor.sha256}"
    assert engine.run(ContainerTask(image=built[3], command=("hello",))).output == "hello from alpha\n"


@pytest.mark.parametrize("way", ["spliced", "plain"])
def test_the_engine_has_all_that_the_definition_says(engine, tmp_path, way):
    """Files, a Debian package, labels, a package divided over several layers."""
    parts = {f"beta/{number}.bin": os.urandom(60_000) for number in range(8)}
    (tmp_path / "start.sh").write_text("#!/bin/sh\nexec hello\n")
    deb = make_deb(extra=[(info_of("./usr/bin/noise", mode=0o755), b"#!/bin/sh\necho noise\n")])
    row = locked(deb)
    (tmp_path / row.sha256).write_bytes(deb)
    (tmp_path / "debian.lock").write_text(DebianLock(("libsound1",), (row,)).text())
    made, lock, papers = build(
        tmp_path,
        [WHEELS[0], make_wheel("beta", "2.0", files=parts)],
        files=[{"from": "start.sh", "to": "/home/job/start.sh", "mode": "0755"}],
        debian=["libsound1"],
        labels={"team": "a"},
        layer_size=200_000,
        gzip=way,
    )
    layout = papers.layout
    image = engine.load(to_docker_archive(layout, tmp_path / "image.tar"))
    script = (
        "./start.sh; noise; stat -c %u:%a . start.sh; cat /var/lib/dpkg/status.d/*; cat $SITE/beta/*.bin | sha256sum"
    )
    site = "/opt/venv/lib/python3.11/site-packages"
    result = engine.run(ContainerTask(image=image, command=("sh", "-c", script), environment={"SITE": site}))
    labels = engine._client.images.get(image).labels
    engine.remove(image)
    lines = result.output.splitlines()
    assert lines[:4] == ["hello from alpha", "noise", "1000:755", "0:755"]
    assert "Package: libsound1" in lines
    assert lines[-1].split()[0] == hashlib.sha256(b"".join(parts[name] for name in sorted(parts))).hexdigest()
    assert labels["team"] == "a"
    static = {name: GATES[name] for name in STATIC}
    report = run_gates(
        made, lock, image, engine, manifest=layout.manifest_sha256, made=papers, now=datetime.now(UTC), gates=static
    )
    assert {gate.gate: gate.status for gate in report.gates} == dict.fromkeys(STATIC, "passed"), report
    assert row.sha256 in (tmp_path / "sbom.cdx.json").read_text()
    assert labels["dev.sekisho.debian-lock"] == layout.manifest["annotations"]["dev.sekisho.debian-lock"]


def test_every_gate_passes(engine, built):
    made, lock, papers, image = built
    manifest = papers.layout.manifest_sha256
    report = run_gates(made, lock, image, engine, manifest=manifest, made=papers, now=datetime.now(UTC))
    assert {gate.gate: gate.status for gate in report.gates} == dict.fromkeys(GATES, "passed"), report
    assert {package.name for package in papers.system.packages} >= {"libc6", "python3.11-minimal", "dash"}


def test_gates_find_what_is_wrong(engine, tmp_path):
    wheels = [make_wheel("alpha", requires=("ghost",), files={"alpha.py": b"import ghost"})]
    made, lock, papers = build(tmp_path, wheels, user="1000", workdir="/home/job")
    image = engine.load(to_docker_archive(papers.layout, tmp_path / "image.tar"))
    other = lock.model_copy(update={"artifacts": (*lock.artifacts, make_wheel("gamma").artifact())})
    manifest = papers.layout.manifest_sha256
    report = run_gates(made, other, image, engine, manifest=manifest, made=papers, now=datetime.now(UTC))
    engine.remove(image)
    evidence = {gate.gate: gate.evidence for gate in report.gates if gate.status == "failed"}
    assert evidence.keys() == {"installed-set", "pip-check", "imports"}
    assert evidence["installed-set"] == ("gamma 1 is locked and not installed",)
    assert "ghost" in evidence["pip-check"][0]
    assert "ModuleNotFoundError: No module named 'ghost'" in evidence["imports"][1]


def test_a_container_has_no_network_no_rights_and_read_only_mounts(engine, built, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    script = (
        "exec 2>&1; ls /sys/class/net; grep -E 'CapEff|NoNewPrivs' /proc/self/status; "
        "touch /in/x; touch /out/y && id -u; touch /tmp/z"
    )
    mounts = (
        Mount(outside=str(tmp_path / "in"), inside="/in"),
        Mount(outside=str(tmp_path / "out"), inside="/out", writable=True),
    )
    result = engine.run(ContainerTask(image=built[3], command=("sh", "-c", script), mounts=mounts))
    lines = result.output.replace("\t", " ").splitlines()
    assert result.status == 0
    assert lines[0] == "lo"
    assert {"CapEff: 0000000000000000", "NoNewPrivs: 1", "1000"} <= set(lines)
    assert any("Read-only file system" in line for line in lines)
    assert (tmp_path / "out" / "y").exists()


def test_a_container_that_does_not_end_is_killed_and_removed(engine, built):
    with pytest.raises(UpstreamError, match="within 1 seconds and was killed; its last words: waiting"):
        engine.run(ContainerTask(image=built[3], command=("sh", "-c", "echo waiting; sleep 60"), timeout=1))
    assert not engine._client.containers.list(all=True, filters={"ancestor": built[3]})


def test_long_output_is_cut_to_its_end(engine, built):
    program = "for i in range(300000): print(f'{i:09d}')"
    output = engine.run(ContainerTask(image=built[3], command=("python", "-c", program))).output
    assert output.endswith("000299999\n")
    assert len(output) <= 1 << 20


def test_a_server_is_asked_from_inside_and_by_whoever_joins_it(engine, built):
    server = ("python", "-m", "http.server", "8000", "--directory", "/etc")
    with engine.serve(ContainerTask(image=built[3], command=server)) as one:
        assert one.pid > 0
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/debian_version').status)"
        for _ in range(50):
            result = one.exec(("python", "-c", ask))
            if result.status == 0:
                break
            time.sleep(0.1)
        assert result.output == "200\n"
        joined = ContainerTask(image=built[3], command=("python", "-c", ask), network=f"container:{one.id}")
        assert engine.run(joined).output == "200\n"
    assert not engine._client.containers.list(all=True, filters={"id": one.id})


def test_an_image_that_the_engine_lacks(engine):
    with pytest.raises(NotFoundError):
        engine.run(ContainerTask(image=f"sha256:{'0' * 64}", command=("true",)))
