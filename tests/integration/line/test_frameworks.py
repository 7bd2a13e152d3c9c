"""Real projects that are only there as source: pyspark, and horovod, which is built against torch. Slow, and online.

``make frameworks`` runs it. Horovod takes a wheel of torch without CUDA, which PyPI has not for this platform:
``SEKISHO_BENCH_TORCH`` names one.
"""

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import SOAK
from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import ROOT, Site, kinds
from tests.wheels import Wheel

pytestmark = [
    pytest.mark.online,
    pytest.mark.docker,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not SOAK, reason="takes half an hour: `make frameworks`"),
]

TORCH = os.environ.get("SEKISHO_BENCH_TORCH", "")
HOROVOD = {
    "extra-build-dependencies": {"horovod": ["torch", "cmake<4", "packaging"]},
    "extra-build-variables": {
        "horovod": {
            "HOROVOD_WITH_PYTORCH": "1",
            "HOROVOD_WITHOUT_TENSORFLOW": "1",
            "HOROVOD_WITHOUT_MXNET": "1",
            "HOROVOD_WITH_GLOO": "1",
            "HOROVOD_WITHOUT_MPI": "1",
            # horovod says C++14 and torch's headers want C++17: what make is told on its command line wins
            "MAKEFLAGS": r"-j2 CXX_FLAGS=-O3\ -fPIC\ -pthread\ -std=c++17\ -ftree-vectorize\ -mf16c\ -mavx\ -mfma",
        }
    },
}
ALLREDUCE = """import horovod
import horovod.torch as hvd
import torch


def add():
    hvd.init()
    summed = hvd.allreduce(torch.ones(3) * (hvd.rank() + 1), op=hvd.Sum)
    found = [hvd.rank(), hvd.size(), *summed.tolist()]
    hvd.shutdown()
    return found


if __name__ == "__main__":
    found = horovod.run(add, np=2, use_gloo=True, network_interfaces=["lo"])
    assert found == [[0, 2, 3.0, 3.0, 3.0], [1, 2, 3.0, 3.0, 3.0]], found
    assert hvd.gloo_built()
"""


def tell(text):
    """Show figures to whoever runs this with ``-s``."""
    sys.stdout.write(f"{text}\n")


def metadata_in(wheel):
    """Return the METADATA of a wheel on disk."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))


def a_site(folder, engine_bases, *sources):
    """A site on PyPI and more sources, with this run's engine."""
    site = Site(folder, "http://127.0.0.1:9", base_cache=engine_bases, build_timeout=3600, build_memory=10 << 30)
    site.engine = os.environ.get("DOCKER_HOST")
    said = yaml.safe_load((ROOT / "allowlists" / "sources.yaml").read_text())
    (site.allowlists / "sources.yaml").write_text(yaml.safe_dump({"sources": [*sources, *said["sources"]]}))
    site.commit("Sources")
    return site


def through_the_gates(site, image):
    """Ask for an image, approve what waits, and return where the request stands after its gates, with the seconds."""
    seconds = {}
    begun = time.monotonic()
    request = site.ask(image)["id"]
    for step in ("judged", "approved", "judged again"):
        while site.status(request)["state"] not in {"waiting", "failed"}:
            time.sleep(2)
        seconds[step], begun = round(time.monotonic() - begun), time.monotonic()
        if site.status(request)["state"] == "failed":
            break
        tell(site.run("status", request, who="ana").stdout)
        site.ok("approve", request, "--reason", "read the source", who="ben")
    found = site.status(request)
    tell(site.run("status", request, who="ana").stdout)
    tell(json.dumps([seconds, found.get("gates"), found.get("built"), kinds(found)], indent=1))
    assert "no registry is configured" in found["problem"]["title"], found["problem"]  # every gate before that passed
    return found


def test_pyspark(tmp_path, engine, bases):
    site = a_site(tmp_path, bases)
    site.define("spark", ["pyspark"], {"debian": "debian-12-python"})
    (site.images / "spark" / "verify").mkdir()
    (site.images / "spark" / "verify" / "imports.py").write_text("import pyspark\nassert pyspark.__version__\n")
    site.commit("Say what pyspark does")
    site.up()
    try:
        [built] = through_the_gates(site, "spark")["built"]
    finally:
        site.down()
    assert built["filename"].startswith("pyspark-")


def test_horovod_reduces_over_two_processes(tmp_path, engine, build_bases):
    if not TORCH:
        pytest.skip("name a wheel of torch for CPUs in SEKISHO_BENCH_TORCH")
    path = Path(TORCH)
    torch = Wheel("torch", path.name.split("-")[1], path.name, path.read_bytes(), metadata_in(path))
    with serving(Outside([torch])) as served:
        own = {"id": "pytorch", "kind": "pypi", "url": f"{served.url}/simple/", "owns": ["torch"]}
        site = a_site(tmp_path, build_bases, own)
        wanted = ["horovod==0.28.1", f"torch=={torch.release}", "numpy"]
        compiler = {"build-base": {"debian": "debian-12-build"}}
        site.define("horovod", wanted, {"debian": "debian-12-python"}, **compiler, **HOROVOD)
        (site.images / "horovod" / "verify").mkdir()
        (site.images / "horovod" / "verify" / "allreduce.py").write_text(ALLREDUCE)
        site.commit("Say what horovod does")
        site.up()
        try:
            [built] = through_the_gates(site, "horovod")["built"]
        finally:
            site.down()
    assert built["variables"] == HOROVOD["extra-build-variables"]["horovod"]
    assert f"torch {torch.release}" in built["with"]
