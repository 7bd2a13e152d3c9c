import os

import pytest

from sekisho.containers import DockerContainers
from sekisho.errors import MissingToolError, NotFoundError
from sekisho.ports import ContainerTask

SOAK = os.environ.get("SEKISHO_SOAK") == "1"
"""Whether this is ``make soak``: ten times as much of what is random."""


@pytest.fixture
def say(record_property):
    """Return what puts a line into the summary of the run: a measured figure that no test may depend on."""
    return lambda line: record_property("said", line)


@pytest.fixture(scope="session")
def engine():
    """A container engine that answers; without one the test is skipped."""
    containers = DockerContainers()
    try:
        containers.run(ContainerTask(image="sekisho-nothing", command=("true",)))
    except NotFoundError:
        return containers
    except MissingToolError as error:
        pytest.skip(error.what)
    raise AssertionError("there is an image of a name that nobody gives")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        for key, line in getattr(report, "user_properties", ()):
            if key == "said" and report.when == "call":
                terminalreporter.write_line(line)
