"""`sekisho proxy prefetch`, as people run it, against a proxy over the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

SEKISHO = str(Path(sys.executable).with_name("sekisho"))


def prefetch(client, tmp_path, pins, *arguments, **environment):
    lock = tmp_path / "requirements.lock"
    lock.write_text("".join(f"{name} \\\n    --hash=sha256:{sha256}\n" for name, sha256 in pins))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SEKISHO_")}
    known = {**kept, "SEKISHO_PROXY_URL": str(client.base_url).rstrip("/"), "NO_PROXY": "127.0.0.1", **environment}
    command = [SEKISHO, "proxy", "prefetch", str(lock), *arguments]
    return subprocess.run(command, env=known, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)


def pin(artifact):
    return f"{artifact.project}=={artifact.release}", artifact.sha256


def test_a_lock_fills_the_cache_and_the_next_start_needs_no_upstream(house, upstream, approved, tmp_path):
    house.settle(house.approval(approved[0]), house.approval(approved[1]))
    size = sum(one.size for one in approved)
    with house.open() as client:
        done = prefetch(client, tmp_path, map(pin, approved))
        assert (done.returncode, done.stdout) == (0, f"2 files, {size} bytes, 0 already here\n"), done.stderr
        assert len(upstream.paths("/packages/")) == 2
        done = prefetch(client, tmp_path, map(pin, approved), "--json")
        assert json.loads(done.stdout) == {"files": 2, "bytes": size, "here": 2, "problems": []}
        assert len(upstream.paths("/packages/")) == 2
    house.settings = house.settings.model_copy(update={"replica": True})
    with house.open() as client:
        for one in approved:
            assert client.get(f"/w/everyone/pypi/files/{one.path}").status_code == 200


def test_what_is_refused_or_cannot_be_fetched_is_listed_and_the_rest_is_here(house, upstream, approved, tmp_path):
    gone = upstream.wheels[2].artifact()
    house.settle(house.approval(approved[0]), house.approval(approved[1]), house.approval(gone))
    upstream.faults[f"/packages/{gone.path.partition('packages/')[2]}"] = "404"
    pins = [pin(approved[0]), ("delta==1.0", "0" * 64), ("beta==2.0", "1" * 64), pin(gone), ("evil==1.0", "2" * 64)]
    with house.open() as client:
        done = prefetch(client, tmp_path, pins)
        assert done.returncode == 1
        delta, beta, gamma, evil, closing = done.stdout.splitlines()
        assert delta.startswith("delta==1.0: Sekisho refused delta: ")
        assert "(rule not-approved); ask at http://127.0.0.1:9/requests/new?project=delta" in delta
        assert "this file of beta is not approved" in beta
        assert "beta-2.0-py3-none-any.whl" in beta
        assert gamma.startswith(f"gamma=={gone.release}: ")
        assert "does not have this" in gamma
        assert evil.startswith("evil==1.0: Sekisho refused evil")
        assert closing == f"1 files, {approved[0].size} bytes, 0 already here, 4 pins missing"
        told = json.loads(prefetch(client, tmp_path, pins, "--json").stdout)
        assert [row["pin"] for row in told["problems"]] == [name for name, _ in pins[1:]]


def test_a_workspace_has_its_own_door(house, approved, tmp_path):
    house.settle(house.approval(approved[1], scope=("risk",)))
    with house.open() as client:
        assert prefetch(client, tmp_path, [pin(approved[1])]).returncode == 1
        assert prefetch(client, tmp_path, [pin(approved[1])], SEKISHO_WORKSPACE="risk").returncode == 0


def test_without_a_proxy_it_says_so(house, tmp_path):
    with house.open() as client:
        done = prefetch(client, tmp_path, [("six==1", "0" * 64)], SEKISHO_PROXY_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "the proxy does not answer" in done.stdout
