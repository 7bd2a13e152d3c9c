import json
import subprocess
import sys

from sekisho.model import Target
from sekisho.model.tags import platforms

ASK = """
import json, sys
from conda_lock import pypi_solver
from sekisho_builder.locking.as_conda_lock import manylinux_tags
pypi_solver.MANYLINUX_TAGS = manylinux_tags(sys.argv[1])
glibc = {"x": {"name": "__glibc", "version": sys.argv[1]}}
print(json.dumps(pypi_solver._compute_compatible_manylinux_tags(platform_virtual_packages=glibc)))
"""


def test_conda_lock_knows_the_targets_own_platform_tags():
    """conda-lock itself says which wheels it would take; the order within one C library is of no account."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, "2.36"], check=True, capture_output=True, text=True, timeout=120
    )
    found = {f"manylinux{tag}_x86_64" for tag in json.loads(done.stdout)}
    ours = platforms(Target(python="3.11.2", glibc="2.36"))
    assert found == set(ours) - {"linux_x86_64"}
