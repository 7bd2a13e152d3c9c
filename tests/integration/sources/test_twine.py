"""twine as it is, towards a real devpi-server behind TLS, by the file that `sekisho configure` wrote."""

from datetime import UTC, datetime

import httpx2
import pytest

from sekisho.settings import Settings
from sekisho.tls import Tls
from sekisho.tls.authority import open_authority, parse_name
from tests.fake_upstream import run_asgi
from tests.integration.clients.desk import Desk
from tests.integration.clients.outside import outside
from tests.integration.sources.devpi import PASSWORD, USER
from tests.wheels import make_wheel

WHEELS = [make_wheel("acme-tool", "1.0"), make_wheel("acme-tool", "1.1")]


class Forward:
    """An ASGI app that hands every request on to ``url``."""

    def __init__(self, url):
        self._url = url

    async def __call__(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(key, value) for key, value in scope["headers"] if key != b"host"]
        async with httpx2.AsyncClient(base_url=self._url, trust_env=False, timeout=60) as client:
            answer = await client.request(scope["method"], scope["path"], content=body, headers=headers)
        kept = [pair for pair in answer.headers.raw if pair[0].lower() == b"content-type"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})


@pytest.fixture
def over_tls(tmp_path, devpi):
    """The in-house index's address over TLS; its own authority is in ``inhouse-ca.pem``."""
    authority = open_authority(tmp_path / "inhouse.pem", [parse_name("127.0.0.1")], datetime.now(UTC))
    (tmp_path / "inhouse-ca.pem").write_bytes(authority.pem)
    (tmp_path / "pair.pem").write_bytes(authority.issue([parse_name("127.0.0.1")], datetime.now(UTC)))
    tls = Tls(Settings(tls="files", tls_certificate=tmp_path / "pair.pem", tls_key=tmp_path / "pair.pem"))
    with run_asgi(Forward(devpi.url), tls=tls.context) as front:
        yield f"{front}/{USER}/twine/"


def test_upload_goes_into_the_house_and_needs_no_name_of_it(devpi, over_tls, tmp_path):
    pages = devpi.index("twine", "bases=")
    with outside() as beyond:
        desk = Desk(tmp_path, "https://proxy.invalid", tmp_path / "data", beyond)
        files = [desk.project / wheel.filename for wheel in WHEELS]
        for wheel, path in zip(WHEELS, files, strict=True):
            path.write_bytes(wheel.data)
        upload = ("upload", "--non-interactive", "--disable-progress-bar")
        desk.configure("twine", "--upload", over_tls, "--ca", str(tmp_path / "inhouse-ca.pem"))
        desk.environment |= {"TWINE_USERNAME": USER, "TWINE_PASSWORD": PASSWORD}
        desk.client("twine", *upload, str(files[0]))
        desk.client("twine", *upload, "-r", "sekisho", str(files[1]))
        page = httpx2.get(f"{pages}acme-tool/", trust_env=False, timeout=60).text
        assert all(wheel.sha256 in page for wheel in WHEELS)
        desk.client("twine", *upload, "-r", "testpypi", str(files[0]), ok=False)
        desk.configure("twine", "--upload", over_tls)  # without the authority
        said = desk.client("twine", *upload, str(files[0]), ok=False)
        assert "CERTIFICATE_VERIFY_FAILED" in said.stdout + said.stderr
        assert beyond.asked == []
