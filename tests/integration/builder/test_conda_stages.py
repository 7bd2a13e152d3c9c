"""From an approved closure to an image, by the builder's own stages: conda packages come through the workspace's door."""

import json
from contextlib import ExitStack, closing

import pytest

from sekisho.client import PortalClient
from sekisho.errors import ConflictError, MissingToolError, UpstreamError
from sekisho.model import Closure
from sekisho.settings import load_settings
from sekisho.sources import Source
from sekisho_builder.oci import Layout
from sekisho_builder.proxy import Proxy
from sekisho_builder.stages import Stages
from tests.channels import Channel, FakeChannels
from tests.fake_portal import FakePortal
from tests.fake_upstream import run_asgi
from tests.integration.builder.real_base import IMAGES
from tests.integration.proxy.house import House
from tests.records import sha
from tests.unit.builder import conda_room as tiny


@pytest.fixture
def images(tmp_path):
    """A folder of definitions with the real base, and one of tiny packages."""
    folder = tmp_path / "images"
    (folder / "tiny").mkdir(parents=True)
    (folder / "debian-12").symlink_to(IMAGES / "debian-12")
    target = {"python": tiny.PYTHON.version, "glibc": "2.36"}
    said = {"name": "tiny", "base": {"debian": "debian-12"}, "target": target, "conda": list(tiny.SPECS)}
    (folder / "tiny" / "image.yaml").write_text(json.dumps(said | {"prefix": tiny.HOME}))
    return folder


def test_an_approved_closure_becomes_an_image(tmp_path, images):
    lock = tiny.conda_lock_of(tiny.PACKAGES, (), direct=(), name="tiny")
    closure = Closure(request=sha("r"), target=lock.target, direct=(), conda=lock.conda, resolver="a solver 1",
                      artifacts=lock.artifacts)  # fmt: skip
    request = {"requester": "rita", "conda": list(lock.conda), "target": lock.target.plain(), "image": "tiny",
               "at": "2026-01-01T00:00:00Z"}  # fmt: skip
    records = {"request": request, "closure": closure.plain(), "lock": None}
    upstream, portal = FakeChannels(channels={"fake": Channel(tiny.PACKAGES)}), FakePortal()
    with run_asgi(upstream) as url, run_asgi(portal) as portal_url:
        house = House(tmp_path, upstream=url, portal=portal_url)
        house.inside = (Source(id="fake", kind="conda", url=f"{url}/fake"),)
        approvals = house.approval(*lock.artifacts)
        house.settle(approvals)
        house.sequence -= 1
        portal.answers = {
            "/api/requests/r1/records": records,
            "/api/requests/r1/report": {},
            "/api/policy/snapshot": json.loads(house.seal(approvals).model_dump_json()),
        }
        with ExitStack() as stack:
            proxy_url = str(stack.enter_context(house.open()).base_url).rstrip("/")
            proxy = stack.enter_context(closing(Proxy(proxy_url, house.token)))
            reporting = stack.enter_context(PortalClient(portal_url, house.token, direct=True))
            told = {"proxy_url": proxy_url, "images": images, "base_cache": load_settings().base_cache}
            stages = Stages(house.settings.model_copy(update=told), reporting, proxy)
            with pytest.raises(ConflictError, match="no lock yet"):
                stages.assemble("r1")
            stages.lock("r1")
            said = {body["kind"]: body["body"] for _, path, body in portal.asked if path.endswith("/report")}
            records["lock"] = said["locked"]["lock"]
            assert [row["project"] for row in records["lock"]["artifacts"]] == ["library", "python", "tool"]
            try:
                manifest = stages.assemble("r1")
            except (MissingToolError, UpstreamError) as error:
                pytest.skip(f"no base image: {error.what}")
            assert Layout(stages.layout("r1")).manifest_sha256 == manifest
            said = {body["kind"]: body["body"] for _, path, body in portal.asked if path.endswith("/report")}
            assembly = said["assembled"]["assembly"]
            assert assembly["fetched"] == len(tiny.PACKAGES)
            assert {"conda:tool 0.3"} <= {name for layer in assembly["layers"] for name in layer["packages"]}
            assert {f"/fake/{package.path}" for package in tiny.PACKAGES} <= set(upstream.paths())
            written = (images / "tiny" / "image.yaml").read_text()
            for changed in (
                written.replace("library >=2", "library"),
                json.dumps(json.loads(written) | {"channels": ["other"]}),
            ):
                (images / "tiny" / "image.yaml").write_text(changed)
                with pytest.raises(ConflictError, match="the definition of tiny changed"):
                    stages.assemble("r1")
