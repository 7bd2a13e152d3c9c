import os

import pytest

SOAK = os.environ.get("SEKISHO_SOAK") == "1"
SAID: list[str] = []


@pytest.fixture
def say():
    """Return what puts a line into the summary of the run: a measured figure that no test may depend on."""
    return SAID.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in SAID:
        terminalreporter.write_line(line)
