"""How many descriptors a service may hold."""

import subprocess
import sys

import pytest

SAYS = """
import resource, sys
from sekisho.listening import run
async def main():
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
run(main())
"""


@pytest.mark.parametrize(("soft", "hard", "found"), [(100, 900, "900 900"), (900, 900, "900 900")])
def test_a_service_takes_what_it_is_allowed(soft, hard, found):
    command = [sys.executable, "-c", SAYS, str(soft), str(hard)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == found
