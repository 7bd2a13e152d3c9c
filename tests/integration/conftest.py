import os

import pytest

SOAK = os.environ.get("SEKISHO_SOAK") == "1"
"""Whether this is ``make soak``: ten times as much of what is random."""

_SAID: list[str] = []


@pytest.fixture
def say():
    """Return what puts a line into the summary of the run: a measured figure that no test may depend on."""
    return _SAID.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _SAID:
        terminalreporter.write_line(line)
