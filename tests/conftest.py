"""What every test stands on: a cut network, a clean environment, bounded properties, shared data."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import network, shared_data

NETWORK = os.environ.get("SEKISHO_NETWORK", "open")
_OURS = {"SEKISHO_NETWORK", "SEKISHO_SOAK", "SEKISHO_TEST_DATA", "SEKISHO_REQUIRE_DATA"}
_FOREIGN = ("PIP_", "UV_", "SEKISHO_", "GIT_")
_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.invalid",
    "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.invalid",
}

settings.register_profile("ci", derandomize=True, max_examples=30, deadline=None, database=None, print_blob=True)
settings.register_profile("wide", max_examples=500, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    if NETWORK == "blocked":
        network.block()
        print("tests: non-loopback sockets are blocked inside the test process", file=sys.stderr)  # noqa: T201


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"network: {NETWORK}")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """No setting of this machine's pip, uv, git or Sekisho reaches a test or what it starts."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_FOREIGN) and name not in _OURS:
            del os.environ[name]
    os.environ.update(_GIT)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Return a function from the name of a shared data file to its path."""
    required = os.environ.get("SEKISHO_REQUIRE_DATA") == "1"
    return lambda name: shared_data.find(name, shared_data.folder(), required=required)
