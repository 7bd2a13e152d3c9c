"""A definition with a Dockerfile: built above what was assembled, and reaching nothing but the proxy."""

import os
import tarfile

import pytest

from sekisho_builder.oci import Layout

pytestmark = pytest.mark.docker

DOCKERFILE = """\
ARG SEKISHO_BASE
FROM ${SEKISHO_BASE}
ARG PIP_INDEX_URL
COPY said.txt /srv/said.txt
USER root
RUN python3 -B -c "import os, urllib.request as u; open('/srv/page', 'wb').write(u.urlopen(os.environ['PIP_INDEX_URL'] + 'alpha/').read())" \\
    && ls /sys/class/net > /srv/devices && cat /proc/net/route > /srv/routes
USER 1000:1000
"""


@pytest.fixture
def site(make_site, engine, bases):
    site = make_site(up=False, base_cache=bases)
    site.engine = os.environ.get("DOCKER_HOST")
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    site.up()
    return site


def test_a_dockerfile_is_built_above_what_was_assembled(site):
    folder = site.images / "tool"
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "said.txt").write_text("hello\n")
    site.commit("Add a Dockerfile")
    said = site.refused("request", "--image", "tool", "--wait", who="ana")
    status = site.newest()
    told = status["assembly"]["dockerfile"]
    assert told["manifest"] == status["assembly"]["manifest"]
    assert told["added"] == 2
    assert told["reproducible"] is False
    assert "layer 2" in told["differing"]
    failed = {gate["gate"] for gate in status["gates"]["gates"] if gate["status"] == "failed"}
    assert failed == {"traced-files", "same-digest"}  # what no approved file explains is not promoted
    assert "the Dockerfile makes /srv/page, a file that nobody approved" in said
    assert "/srv/said.txt" not in said  # it is the definition's own
    assert "layer 2 of the Dockerfile differs: this image is not reproducible" in said

    layout = Layout(site.data / "builder" / "images" / status["id"])
    layout.verify()
    with tarfile.open(layout.blob(layout.layers[-1].sha256)) as layer:
        found = {row.name: layer.extractfile(row).read() for row in layer if row.isfile()}
    assert found["srv/devices"] == b"lo\n"
    assert len(found["srv/routes"].splitlines()) == 1  # the head of an empty table
    assert b"alpha-1.2-py3-none-any.whl" in found["srv/page"]  # by the workspace's door
    assert "127.0.0.1" not in layout.blob(layout.config_descriptor.sha256).read_text()
    site.settled()

    why = "made anew in each build, and looked at"
    known = [
        {"gate": gate, "what": what, "reason": why}
        for gate, what in (("traced-files", "/srv/*"), ("same-digest", "Dockerfile"))
    ]
    site.define("tool", ["alpha"], {"debian": "debian-12-python"}, accept=known)
    said = site.refused("request", "--image", "tool", "--wait", who="ana")
    assert "no registry is configured" in said, said
    gates = {gate["gate"]: gate for gate in site.newest()["gates"]["gates"]}
    assert {gate["status"] for gate in gates.values()} == {"passed"}
    assert any("layer 2 of the Dockerfile differs" in line for line in gates["same-digest"]["evidence"])
    assert any(f"/srv/*: 3 accepted, {why}" in line for line in gates["traced-files"]["evidence"])
