"""An approval, well signed, of a hash that the source does not have."""

import httpx2
import pytest

from tests.integration.proxy.house import run_pip

UNKNOWN = "ab" * 32


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_nothing_of_it_leaves_and_nothing_is_kept(house, approved, tmp_path, suffix):
    right, other = approved
    wrong = right.model_copy(update={"sha256": UNKNOWN})
    house.settle(house.approval(wrong), house.approval(other))
    address = f"/w/everyone/pypi/files/{wrong.path}"
    with house.open() as client:
        for _ in range(2):
            try:
                answer = client.get(address + suffix)
                assert (answer.status_code, answer.json()["code"]) in {(502, "corrupt"), (502, "upstream")}
                assert "sha256" in answer.json()["title"]
                assert wrong.filename in answer.json()["where"] + answer.json()["title"]
            except httpx2.RemoteProtocolError:
                assert not suffix  # a file that streams is cut before its end
        assert client.get(f"/w/everyone/pypi/files/{other.path}").status_code == 200
        done = run_pip(f"{client.base_url}/w/everyone/pypi/simple/", tmp_path, right.project)
        assert done.returncode != 0
    kept = {path.name for path in (house.settings.data / "proxy" / "blobs").rglob("*") if path.is_file()}
    assert UNKNOWN not in kept
    assert right.sha256 not in kept
