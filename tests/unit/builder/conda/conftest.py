import pytest

from sekisho_builder.conda import SolverProcess


@pytest.fixture(scope="session")
def process():
    """The process that solves; it ends with the tests."""
    found = SolverProcess(timeout=60)
    yield found
    found.end()
