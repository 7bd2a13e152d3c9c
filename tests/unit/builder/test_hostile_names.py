"""What is asked for is a project's name, whatever it looks like; and nothing of this machine reaches the resolver."""

import os
import sys

import pytest

from sekisho.errors import BadInputError
from sekisho_builder.programs import Said
from sekisho_builder.proxy import Proxy
from sekisho_builder.resolve import resolve
from sekisho_builder.solver import asked
from tests.fake_portal import FakePortal
from tests.fake_upstream import run_asgi
from tests.records import artifact, request


@pytest.mark.parametrize(
    "text",
    [
        "gamma-3.0-py3-none-any.whl",
        "gamma-3.0-py3-none-any.WHL",
        "gamma.zip",
        "gamma-3.0.tar.gz",
        "gamma.tgz",
        "gamma[fast].tar.bz2",
        "gamma @ file:///etc/passwd",
        "gamma @ https://elsewhere.invalid/gamma-3.0-py3-none-any.whl",
        "./gamma",
        "-r /etc/passwd",
        "--index-url=http://elsewhere.invalid/",
        "gamma\n-r /etc/passwd",
    ],
)
def test_files_addresses_and_options_are_refused(text):
    with pytest.raises(BadInputError):
        asked([text])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Gamma", "gamma"),
        ("zope.interface", "zope-interface"),
        ("Gamma[Fast,a.b] >=1, <2 ; python_version < '3.12'", 'gamma[a-b,fast]<2,>=1 ; python_version < "3.12"'),
        ("gamma==1.0+cu118", "gamma==1.0+cu118"),
        ("pyproject.toml", "pyproject-toml"),
    ],
)
def test_a_requirement_is_written_anew(text, line):
    assert asked([text]) == line


class Watched:
    ca = None

    """A proxy that is there, and a uv that only shows how it was started."""

    def __init__(self):
        self.folder_was_empty = None

    def answers(self):
        pass

    def index_url(self):
        return "http://127.0.0.1:9/simple/"

    def artifacts(self, project, release):
        return (artifact(project, release),)

    def with_metadata(self, found):
        return found

    def run(self, command, *, environment, timeout, given="", folder=None, mixed=False):
        self.command, self.environment, self.given, self.folder = command, environment, given, folder
        self.folder_was_empty = list(folder.iterdir()) == []
        return Said(0, "gamma==3.0\n", "")


def test_the_resolver_has_an_empty_folder_and_a_small_environment(monkeypatch):
    for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "UV_INDEX", "PIP_INDEX_URL", "SECRET", "NETRC"):
        monkeypatch.setenv(name, "http://elsewhere.invalid/")
    monkeypatch.setenv("SSL_CERT_FILE", "/some/ca.pem")
    watched = Watched()
    resolve(request("Gamma"), watched, lambda *_: None, watched.run)
    assert watched.given == "gamma"
    assert watched.folder_was_empty
    assert not watched.folder.exists()
    assert watched.environment.keys() - {"PATH", "TMPDIR", "SSL_CERT_DIR"} == {
        "HOME", "SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_HTTP_RETRIES",
    }  # fmt: skip
    assert watched.environment["HOME"] == str(watched.folder)
    assert watched.environment["PATH"] == os.environ["PATH"]
    assert watched.command[watched.command.index("--python") + 1] == sys.executable


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_rooms_do_not_speak_through_a_proxy_of_the_environment(monkeypatch, name):
    from sekisho.client import PortalClient

    monkeypatch.setenv(name, "http://127.0.0.1:9")
    room = FakePortal()
    room.answers["/healthz"] = {"status": "ok"}
    with run_asgi(room) as url:
        proxy = Proxy(url, "t")
        proxy.answers()
        proxy.close()
        with PortalClient(url, "t", direct=True) as portal:
            assert portal.answers()
    assert room.tokens == ["Bearer t", "Bearer t"]


def test_a_certificate_of_the_environment_counts(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError):
        Proxy("https://127.0.0.1:9", "t")
