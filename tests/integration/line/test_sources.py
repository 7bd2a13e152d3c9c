"""What is only there as source: approved with what it is built with, built in the runner, judged, locked, served."""

import base64
import json
import os

import httpx2
import pytest

from sekisho_proxy.negotiate import JSON
from tests.integration.line.outside import Outside, serving, until
from tests.integration.line.site import Site, kinds
from tests.integration.proxy.house import offered, run_pip
from tests.source_files import C_FILES, backend_wheel, installed_wheel, make_source
from tests.wheels import make_wheel

pytestmark = pytest.mark.docker

SOURCE = make_source("raw", requires=("beta>=1",))
FILES = [
    SOURCE,
    backend_wheel(),
    make_wheel("beta", "2.0"),
    make_wheel("top", requires=("raw",)),
    make_source("unstable", files={"differs": b""}),
    make_source("native", files=C_FILES),
    installed_wheel("setuptools"),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory, engine, bases):
    """A site that the tests of this file share."""
    with serving(Outside(FILES)) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url, base_cache=bases)
        site.engine = os.environ.get("DOCKER_HOST")
        site.define("tool", ["top"], {"debian": "debian-12-python"})
        try:
            site.up()
            yield site
        finally:
            site.down()


@pytest.fixture(scope="module")
def status(line):
    """Where a request stands that was approved by the person who has to look at source, once its wheels are built."""
    said = line.ok("request", "top", "unstable", "--python", "3.11.2", "--wait", who="ana").stdout
    assert ": waiting" in said
    assert "to be built from source: raw, with tiny-backend>=1 (1 packages)" in said
    request = line.newest()["id"]
    line.ok("approve", request, "--reason", "read the source", who="ben")
    return line.reach(request, "approved", seconds=300)


def test_source_becomes_an_approved_wheel(line, status, tmp_path):
    first = ["requested", "resolved", "inspected", "judged", "suggested", "approval-intended", "approved"]
    assert kinds(status) == [*first, "built", "judged", "approval-intended", "approved"]
    built = {row["filename"].partition("-")[0]: row for row in status["built"]}["raw"]
    assert built["filename"] == "raw-1.0-py3-none-any.whl"
    assert built["source_sha256"] == SOURCE.sha256
    assert built["with"] == ["tiny-backend 1.0"]
    assert built["reproducible"] is True

    door = f"{line.proxy}/w/everyone/pypi/simple/raw/"
    line.in_force(line.git("rev-parse", "HEAD"))
    [row] = offered(httpx2.get(door, headers={"accept": JSON}).json())  # and the source is not shown
    assert row["filename"] == built["filename"]
    assert row["url"] == f"../../files/built/{SOURCE.sha256}/{built['filename']}"
    assert row["_built-from"] == {"sha256": SOURCE.sha256}
    done = run_pip(f"{line.proxy}/w/everyone/pypi/simple/", tmp_path, "top")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pip-target" / "raw" / "__init__.py").read_text() == "WORD = 'raw'\n"
    line.settled()


def test_a_build_that_differs_each_time_says_so(line, status):
    built = {row["filename"].partition("-")[0]: row for row in status["built"]}["unstable"]
    assert built["reproducible"] is False
    assert built["differing"] == ["unstable-1.0.dist-info/RECORD", "unstable/when.py"]
    said = line.ok("status", status["id"], who="ana").stdout
    assert "not reproducible, a second build differs in unstable-1.0.dist-info/RECORD, unstable/when.py" in said


def test_what_the_portal_signs_of_a_wheel(line, status):
    rows = line.ok("statement", status["approval"]["id"], who="ana").stdout.splitlines()
    payloads = [json.loads(base64.b64decode(json.loads(row)["payload"])) for row in rows]
    made = [one["predicate"] for one in payloads if one["predicateType"] == "https://slsa.dev/provenance/v1"]
    assert len(made) == len(status["built"])
    said = next(one["buildDefinition"] for one in made if SOURCE.sha256 in json.dumps(one))
    files = {one["name"]: one["digest"]["sha256"] for one in said["resolvedDependencies"]}
    assert files["raw-1.0.tar.gz"] == SOURCE.sha256
    assert files["tiny_backend-1.0-py3-none-any.whl"] == FILES[1].sha256
    assert files["base"]
    assert said["internalParameters"]["environment"]["SOURCE_DATE_EPOCH"] == "1600000000"


def test_an_image_has_the_wheel_that_was_built(line, status):
    said = line.refused("request", "--image", "tool", "--wait", who="ana")
    assert "no registry is configured" in said  # every gate before that passed
    found = line.newest()
    assert kinds(found)[-4:] == ["locked", "assembled", "gated", "failed"]
    assert "built" not in kinds(found)  # it is approved, so nobody builds or decides again
    assert {gate["gate"]: gate["status"] for gate in found["gates"]["gates"]}["installed-set"] == "passed"
    [wheel] = [row for row in found["lock"]["artifacts"] if row["project"] == "raw"]
    assert (wheel["filename"], wheel["built"]) == ("raw-1.0-py3-none-any.whl", SOURCE.sha256)


def failed(line, request):
    """Return where a request stands once it has failed."""
    until(lambda: line.status(request)["state"] == "failed", seconds=300, what="an end of the request")
    return line.status(request)


def test_source_in_c_is_built_where_a_compiler_is_and_runs_where_none_is(line, build_bases):
    base, compiler = {"debian": "debian-12-python"}, {"debian": "debian-12-build"}
    line.define("plain", ["native"], base)
    request = line.ask("plain")["id"]
    line.reach(request, "waiting")
    line.ok("approve", request, "--reason", "read the source", who="ben")
    problem = failed(line, request)["problem"]
    assert "the base has no compiler that the build asks for" in problem["title"]
    assert "name a `build-base` with one" in problem["todo"]

    line.define("native", ["native"], base, **{"build-base": compiler})
    (line.images / "native" / "verify").mkdir()
    (line.images / "native" / "verify" / "adds.py").write_text("import native\nassert native.add(40, 2) == 42\n")
    line.commit("Say what native does")
    told = json.loads(line.ok("builder", "base", "native", "--json").stdout)
    assert {name: row["reused"] for name, row in told.items()} == {"base": True, "build-base": True}
    found = failed(line, line.ask("native")["id"])  # its source is approved by now
    assert "no registry is configured" in found["problem"]["title"], found["problem"]  # every gate before that passed
    [built] = found["built"]
    assert built["filename"] == "native-1.0-cp311-cp311-linux_x86_64.whl"
    assert (built["reproducible"], built["differing"]) == (True, [])
    gates = {gate["gate"]: gate["status"] for gate in found["gates"]["gates"]}
    assert {gates[name] for name in ("imports", "verify", "traced-files")} == {"passed"}
    line.settled()
