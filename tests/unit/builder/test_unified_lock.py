"""What conda-lock wrote counts only where every package of it comes from the door."""

import json
import sys

import pytest

from sekisho.errors import RefusedError
from sekisho.lock import DoorAddress, ToLock
from sekisho_builder.locking import conda_lock
from tests.records import TARGET

DOOR = DoorAddress(origin="https://door.invalid", workspace="team")
ASKED = ToLock(target=TARGET, conda=("python",), channels=("forge",))
WRITES = "import sys; open(sys.argv[sys.argv.index('--lockfile') + 1], 'w').write(sys.argv[1])"


def locked(url):
    """Have a program in conda-lock's place write a lock of one package, which is at ``url``."""
    package = {"name": "python", "version": "3.11.7", "manager": "conda", "platform": "linux-64", "url": url}
    text = json.dumps({"version": 1, "package": [package | {"hash": {"sha256": "a" * 64}}]})
    return conda_lock(ASKED, DOOR, token=None, ca=None, program=(sys.executable, "-c", WRITES, text))


@pytest.mark.parametrize("login", ["", "__token__:secret@"])
def test_a_package_of_the_door_counts(login):
    (python,) = locked(f"https://{login}door.invalid/w/team/conda/forge/linux-64/python-3.11.7-0.conda").packages
    assert (python.kind, python.project, python.hashes) == ("conda", "python", ("a" * 64,))


@pytest.mark.parametrize(
    "host", ["elsewhere.invalid", "door.invalid.elsewhere.invalid", "door.invalid@elsewhere.invalid"]
)
def test_a_package_from_elsewhere_is_refused(host):
    with pytest.raises(RefusedError, match="comes from elsewhere than the door") as caught:
        locked(f"https://user:secret@{host}/w/team/conda/forge/linux-64/python-3.11.7-0.conda")
    assert "secret" not in str(caught.value)
