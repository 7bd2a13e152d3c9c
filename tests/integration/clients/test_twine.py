"""twine as it is, towards a real devpi-server behind TLS, by the file that `sekisho configure` wrote."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import pytest

from sekisho.settings import Settings
from sekisho.tls import Tls
from sekisho.tls.authority import open_authority, parse_name
from tests.fake_upstream import run_asgi
from tests.integration.clients.conftest import WHEELS
from tests.integration.clients.inhouse import PASSWORD, Forward, devpi


@pytest.fixture
def inhouse(tmp_path):
    """The in-house index: its plain address, its address over TLS, and the file of its own authority."""
    authority = open_authority(tmp_path / "inhouse.pem", [parse_name("127.0.0.1")], datetime.now(UTC))
    (tmp_path / "inhouse-ca.pem").write_bytes(authority.pem)
    (tmp_path / "pair.pem").write_bytes(authority.issue([parse_name("127.0.0.1")], datetime.now(UTC)))
    pair = {"tls_certificate": tmp_path / "pair.pem", "tls_key": tmp_path / "pair.pem"}
    tls = Tls(Settings(tls="files", **pair))
    with devpi(tmp_path) as url, run_asgi(Forward(url.removesuffix(urlsplit(url).path)), tls=tls.context) as front:
        yield url, f"{front}{urlsplit(url).path}", tmp_path / "inhouse-ca.pem"


def test_upload_goes_into_the_house_and_needs_no_name_of_it(desk, inhouse):
    url, over_tls, ca = inhouse
    dist = desk.project / "dist"
    dist.mkdir()
    for wheel in WHEELS[:2]:
        (dist / wheel.filename).write_bytes(wheel.data)
    desk.configure("twine", "--upload", over_tls, "--ca", str(ca))
    desk.environment |= {"TWINE_USERNAME": "root", "TWINE_PASSWORD": PASSWORD, "TWINE_NON_INTERACTIVE": "1"}
    first, second = (str(dist / wheel.filename) for wheel in WHEELS[:2])
    desk.client("twine", "upload", "--disable-progress-bar", first)
    desk.client("twine", "upload", "--disable-progress-bar", "-r", "sekisho", second)
    page = httpx2.get(f"{url}+simple/alpha/", trust_env=False)
    for wheel in WHEELS[:2]:
        assert hashlib.sha256(wheel.data).hexdigest() in page.text
    desk.client("twine", "upload", "-r", "testpypi", first, ok=False)
    desk.configure("twine", "--upload", over_tls)  # without the authority
    said = desk.client("twine", "upload", "--disable-progress-bar", first, ok=False)
    assert "CERTIFICATE_VERIFY_FAILED" in said.stdout + said.stderr
