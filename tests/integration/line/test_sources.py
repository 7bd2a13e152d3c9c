"""What is only there as source: approved with what it is built with, built in the runner, judged, locked, served."""

import httpx2
import pytest

from sekisho_proxy.negotiate import JSON
from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import Site, kinds
from tests.integration.proxy.house import offered, run_pip
from tests.source_files import backend_wheel, make_source
from tests.wheels import make_wheel

pytestmark = pytest.mark.docker

SOURCE = make_source("raw", requires=("beta>=1",))
FILES = [
    SOURCE,
    backend_wheel(),
    make_wheel("beta", "2.0"),
    make_wheel("top", requires=("raw",)),
    make_source("unstable", files={"unstable/__init__.py": b"", "unstable": b""}),
    make_source("greedy", files={"wheel-needs": b"Requires-Dist: ghost\n"}),
    make_source("native", files={"pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n',
                                 "b.py": b"import subprocess\ndef build_wheel(*_):\n    subprocess.run(['sh', '-c', 'gcc x.c'], check=True)\n"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def line(tmp_path_factory, engine, bases):
    """A site that the tests of this file share."""
    with serving(Outside(FILES)) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url, base_cache=bases)
        site.engine = None
        site.define("tool", ["top"], {"debian": "debian-12-python"})
        try:
            site.up()
            yield site
        finally:
            site.down()


def approve(line, *asked):
    """Ask, and have it approved by the person who has to look at source; return the request's id."""
    said = line.ok("request", *asked, "--wait", who="ana").stdout
    assert ": waiting" in said
    request = line.newest()["id"]
    line.ok("approve", request, "--reason", "read the source", who="ben")
    return request


def test_source_becomes_an_approved_wheel(line, tmp_path):
    request = approve(line, "top", "--python", "3.11.2")
    status = line.reach(request, "approved", seconds=120)
    assert kinds(status)[:7] == [
        "requested",
        "resolved",
        "inspected",
        "judged",
        "suggested",
        "approval-intended",
        "approved",
    ]
    assert kinds(status)[7:] == ["built", "judged", "approval-intended", "approved"]
    [built] = status["built"]
    assert built["filename"] == "raw-1.0-py3-none-any.whl"
    assert built["source_sha256"] == SOURCE.sha256
    assert built["with"] == ["tiny-backend 1.0"]
    assert built["reproducible"] is True

    door = f"{line.proxy}/w/everyone/pypi/simple/raw/"
    line.in_force(line.git("rev-parse", "HEAD"))
    [row] = offered(httpx2.get(door, headers={"accept": JSON}).json())
    assert row["filename"] == built["filename"]
    assert row["url"] == f"../../files/built/{SOURCE.sha256}/{built['filename']}"
    assert row["_built-from"] == {"sha256": SOURCE.sha256}
    done = run_pip(f"{line.proxy}/w/everyone/pypi/simple/", tmp_path, "top")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pip-target" / "raw" / "__init__.py").read_text() == "WORD = 'raw'\n"
    line.settled()
