"""Source that builds its native module only beside a framework that it does not name: the request names it."""

import base64
import json
import os

import pytest
import yaml

from tests.integration.conftest import SOAK
from tests.integration.line.outside import ODD_LICENCE, Outside, serving, until
from tests.integration.line.site import Site, kinds
from tests.source_files import FRAMED_FILES, installed_wheel, make_source
from tests.wheels import make_wheel

pytestmark = pytest.mark.docker


def a_frame(release):
    files = {"frame/__init__.py": f"RELEASE = {release}\n".encode()}
    return make_wheel("frame", f"{release}.0", files=files, extra=ODD_LICENCE if release == 2 else "")


FRAMES = {release: a_frame(release) for release in (1, 2, 3)}
BASES = {"base": {"debian": "debian-12-python"}, "build-base": {"debian": "debian-12-build"}}
VARIABLES = {"framed": {"FRAMED_FRAMES": "24"}}


@pytest.fixture(scope="module")
def line(tmp_path_factory, engine, build_bases):
    """A site that the tests of this file share."""
    files = [make_source("framed", files=FRAMED_FILES), make_wheel("odd", "1.0"), installed_wheel("setuptools")]
    with serving(Outside([*files, *FRAMES.values()])) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url, base_cache=build_bases)
        site.engine = os.environ.get("DOCKER_HOST")
        try:
            site.up()
            yield site
        finally:
            site.down()


def define(line, name, requirements, named, variables=None, verify=""):
    more = {"extra-build-dependencies": named, "extra-build-variables": variables or {}}
    line.define(name, requirements, BASES["base"], **{"build-base": BASES["build-base"]}, **more)
    if verify:
        (line.images / name / "verify").mkdir(exist_ok=True)
        (line.images / name / "verify" / "says.py").write_text(verify)
        line.commit("Say what it does")


def ended(line, image, request=None):
    """Ask for an image, approve all that waits, and return where the request stands when it has failed."""
    request = request or line.ask(image)["id"]
    for _ in range(3):
        until(lambda: line.status(request)["state"] in {"waiting", "failed"}, seconds=300, what="an end")
        if line.status(request)["state"] == "failed":
            break
        line.ok("approve", request, "--reason", "read the source", who="ben")
    return line.status(request)


def delivered(found):
    """Tell that every gate passed: only a registry is missing."""
    assert "no registry is configured" in found["problem"]["title"], found["problem"]
    return {gate["gate"]: gate["status"] for gate in found["gates"]["gates"]}


def test_a_native_module_is_built_beside_what_the_request_names(line):
    checks = "from framed import built\nimport frame\nassert (built.FRAME, built.FRAMES) == (frame.RELEASE, 24)\n"
    define(line, "framed", ["framed", "frame==2.*"], {"framed": ["frame"]}, VARIABLES, checks)
    request = line.ask("framed")["id"]
    line.reach(request, "waiting")
    said = line.ok("status", request, who="ben").stdout
    assert "to build framed with: frame, FRAMED_FRAMES=24" in said
    [told] = [row for row in said.splitlines() if "to be built from source" in row]
    assert (
        "framed, with setuptools>=77, as asked also with frame, frame 2.0 as installed, told FRAMED_FRAMES=24" in told
    )
    waiting = {row["name"] for row in line.status(request)["exceptions"]}
    assert {"framed 1.0", "frame 2.0"} <= waiting  # what it is built with is judged as what is installed
    found = ended(line, "framed", request)
    gates = delivered(found)
    assert {gates[name] for name in ("verify", "imports", "installed-set")} == {"passed"}
    [built] = found["built"]
    assert built["filename"] == "framed-1.0-cp311-cp311-linux_x86_64.whl"
    assert (built["extra"], built["variables"]) == (["frame"], VARIABLES["framed"])
    assert "frame 2.0" in built["with"]
    assert built["reproducible"] is True

    rows = line.ok("statement", found["approval"]["id"], who="ana").stdout.splitlines()
    payloads = [json.loads(base64.b64decode(json.loads(row)["payload"])) for row in rows]
    [made] = [one["predicate"] for one in payloads if one["predicateType"] == "https://slsa.dev/provenance/v1"]
    outside = made["buildDefinition"]["externalParameters"]
    assert (outside["extra-build-dependencies"], outside["extra-build-variables"]) == (["frame"], VARIABLES["framed"])
    files = {one["name"]: one["digest"]["sha256"] for one in made["buildDefinition"]["resolvedDependencies"]}
    assert files[FRAMES[2].filename] == FRAMES[2].sha256
    assert made["buildDefinition"]["internalParameters"]["environment"]["FRAMED_FRAMES"] == "24"
    line.settled()


def test_the_same_words_take_the_same_wheel(line):
    again = ended(line, "framed")
    delivered(again)
    assert "built" not in kinds(again)


@pytest.mark.skipif(not SOAK, reason="one more build and its gates: in `make soak`")
def test_another_framework_takes_another_wheel(line):
    checks = "from framed import built\nassert built.FRAME == 3\n"
    define(line, "newer", ["framed", "frame==3.*"], {"framed": ["frame"]}, VARIABLES, checks)
    found = ended(line, "newer")
    delivered(found)
    assert "frame 3.0" in found["built"][0]["with"]  # the wheel that was built against 2.0 is there, and not taken
    line.settled()


REFUSED = {
    "another release": (["framed", "frame==1.*"], {"framed": ["frame==3.*"]}, "the answer holds 1.0"),
    "nothing fits": (["framed"], {"framed": ["frame>=9"]}, "framed 1.0 is only there as source, and cannot be built"),
    "not asked for": (["framed"], {"farmed": ["frame"]}, "farmed is not in the answer"),
    "not built": (["odd"], {"odd": ["frame"]}, "odd 1.0 is not built from source: it has a wheel for the target"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_so_is_refused(line, case):
    requirements, named, words = REFUSED[case]
    define(line, "refused", requirements, named)
    found = ended(line, "refused")
    assert words in found["problem"]["title"]
    assert found["problem"]["code"] == "unresolvable"
    assert found["problem"]["todo"]
    assert "approved" not in kinds(found)


def test_a_denied_framework_is_not_built_with(line):
    policy = line.allowlists / "policy.yaml"
    kept = policy.read_text()
    said = yaml.safe_load(kept)
    said["rules"].append({"id": "no-frame", "check": "denied", "projects": ["frame"]})
    policy.write_text(yaml.safe_dump(said, sort_keys=False))
    line.in_force(line.commit("Deny frame"))
    try:
        define(line, "denied", ["framed"], {"framed": ["frame==1.*"]})
        found = ended(line, "denied")
        assert "frame" in found["problem"]["title"]
        assert "built" not in kinds(found)
    finally:
        policy.write_text(kept)
        line.in_force(line.commit("Allow frame"))


def test_a_room_is_not_for_a_definition_to_change(line):
    define(line, "bad", ["framed"], {}, {"framed": {"LD_PRELOAD": "/tmp/x.so"}})
    said = line.refused("request", "--image", "bad", who="ana")
    assert "LD_PRELOAD is the build room's own" in said
    line.git("rm", "-r", "--quiet", "images/bad")
    line.commit("Forget it")


def test_a_project_file_of_uv_says_the_same(line, tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text("""[project]
name = "mine"
dependencies = ["framed"]
[tool.uv.extra-build-dependencies]
framed = ["frame==1.*"]
[tool.uv.extra-build-variables]
framed = { FRAMED_FRAMES = "7" }
""")
    asked = line.ok("request", "-r", str(file), "--python", "3.11.2", "--json", who="ana")
    assert "to build framed with: frame==1.*, FRAMED_FRAMES=7" in asked.stderr
    status = line.reach(json.loads(asked.stdout)["id"], "waiting")
    [build] = status["closure"]["builds"]
    assert (build["extra"], build["variables"]) == (["frame==1.*"], {"FRAMED_FRAMES": "7"})
    assert build["built_with"] == {}  # nothing of it is installed beside it
