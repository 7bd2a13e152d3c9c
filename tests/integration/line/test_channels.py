"""Packages of a channel, alone and beside wheels: asked, solved, inspected, judged, approved, and installed through the
door by an unmodified client; what comes out runs.
"""

import signal
import subprocess
import sys

import httpx2
import pytest
import yaml

from tests.channels import Channel, FakeChannels, Rattler, make_package, python_package
from tests.integration.line.outside import Outside, serving, until
from tests.integration.line.site import kinds

METADATA = "Metadata-Version: 2.1\nName: beta\nVersion: 1.5\n"
TOOL_CODE = b"import beta\ndef main():\n    print('tool runs with beta', beta.VERSION)\n"


class OutsideChannels(Outside, FakeChannels):
    """Channels that can be held back, as the index can."""

    def __init__(self, **channels: Channel) -> None:
        FakeChannels.__init__(self, channels=channels)
        kept = dict(self.__dict__)
        Outside.__init__(self, [])
        self.__dict__.update(kept)


def packages():
    """A Python that runs, a library that holds the project ``beta``, and a tool above both."""
    files = {
        "site-packages/beta/__init__.py": b"VERSION = '1.5'\n",
        "site-packages/beta-1.5.dist-info/METADATA": METADATA.encode(),
        "site-packages/beta-1.5.dist-info/RECORD": b"",
    }
    library = make_package("py-beta", "1.5", noarch="python", depends=("python >=3.9",), files=files)
    tool = make_package(
        "tool",
        "2.0",
        noarch="python",
        depends=("py-beta >=1", "python >=3.9"),
        files={"site-packages/tool/__init__.py": TOOL_CODE},
        entry_points=("tool = tool:main",),
    )
    older = make_package("tool", "1.0", depends=("python",), license="LicenseRef-Odd")
    return python_package(), library, tool, older


@pytest.fixture(scope="module")
def channel():
    return Channel(packages())


@pytest.fixture
def channels(channel):
    with serving(OutsideChannels(main=channel)) as served:
        yield served
        served.app.release()


@pytest.fixture
def site(make_site, channels):
    """A running site with an index and a channel."""
    found = make_site(up=False)
    path = found.allowlists / "sources.yaml"
    sources = yaml.safe_load(path.read_text())
    sources["sources"].append({"id": "main", "kind": "conda", "url": f"{channels.url}/main"})
    path.write_text(yaml.safe_dump(sources))
    found.commit("Declare a channel")
    found.up()
    return found


def ask(site, *conda, requirements=(), **more):
    """Ask as a person's client does; return the request's id."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}.2"
    body = {
        "conda": list(conda),
        "requirements": list(requirements),
        "target": {"python": minor, "glibc": "2.36"},
        "reason": "tests",
        **more,
    }
    headers = {"Authorization": f"Bearer {site.tokens['ana']}"}
    answer = httpx2.post(f"{site.portal}/api/requests", json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()["id"]


def closure_of(site, request):
    headers = {"Authorization": f"Bearer {(site.data / 'service.token').read_text().strip()}"}
    found = httpx2.get(
        f"{site.portal}/api/requests/{request}/records", headers=headers, timeout=60, trust_env=False
    ).json()
    return found["closure"]


def test_a_mixed_request_becomes_an_environment_that_runs(site, channel, tmp_path):
    request = ask(site, "tool >=2", requirements=["alpha"])
    status = site.reach(request, "waiting")
    closure = closure_of(site, request)
    chosen = {(row.get("kind", "pypi"), row["project"]): row["release"] for row in closure["artifacts"]}
    python = python_package().version
    assert chosen == {
        ("conda", "tool"): "2.0",
        ("conda", "py-beta"): "1.5",
        ("conda", "python"): python,
        ("pypi", "alpha"): "1.2",
    }, "beta is there by py-beta, and not by a wheel"
    assert {"project": "alpha", "needs": "conda:py-beta"} in closure["edges"]
    assert {"project": "conda:tool", "needs": "conda:py-beta"} in closure["edges"]
    assert closure["resolver"].startswith("py-rattler 0.28.0, uv ")

    assert status["state"] == "waiting"
    least = "no other answer to it needs approvals of fewer conda packages, as of 20"
    until(lambda: least in "\n".join(site.status(request)["ways"]), what="the fewest approvals")
    site.ok("approve", request, "--reason", "looked at all of it", who="ben")
    site.reach(request, "approved")
    site.in_force(site.git("rev-parse", "HEAD"))
    prefix = tmp_path / "env"
    with Rattler(tmp_path / "rattler") as rattler:
        installed = rattler.install([f"{site.proxy}/w/everyone/conda/main"], ["tool"], prefix)
    assert {row.name for row in installed} == {"tool", "py-beta", "python"}
    run = subprocess.run([prefix / "bin" / "tool"], capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout == "tool runs with beta 1.5\n", run.stderr
    taken_back(site)
    site.settled()


def noarch(site):
    """Return the names that the door shows of the channel's part for any platform."""
    found = httpx2.get(f"{site.proxy}/w/everyone/conda/main/noarch/repodata.json", timeout=60, trust_env=False).json()
    return {row["name"] for part in ("packages", "packages.conda") for row in found[part].values()}


def taken_back(site):
    """Revoke what the tool depends on: neither is shown any more, and ``why`` tells the one reason and the other."""
    assert noarch(site) == {"py-beta", "tool"}
    assert "conda:tool==2.0 is approved" in site.ok("why", "conda:tool==2.0", "--channel", "main", who="ana").stdout
    site.ok("revoke", "conda:py-beta==1.5", "--reason", "it is not ours after all", who="ben")
    until(lambda: not noarch(site), what="a door without both")
    told = site.ok("why", "--conda", "tool", who="ana").stdout
    assert "it needs conda:py-beta, and nothing of that which fits may be had any more" in told
    told = site.ok("why", "conda:py-beta", who="ana").stdout
    assert "it was revoked since; ben revoked it" in told
    assert "sekisho request --conda py-beta" in told


def test_a_request_for_conda_packages_survives_being_killed_wherever_it_is(site, channels, outside):
    """While the solver reads the channel, while packages are looked into for what they hold, and while all is."""
    request = None
    for held, end, state in (
        (channels.app, "/repodata_shards.msgpack.zst", "resolving"),
        (channels.app, "/py-beta-1.5-0.conda", "resolving"),
        (outside, "/alpha-1.2-py3-none-any.whl", "inspecting"),
    ):
        held.hold(end)
        if request is None:
            request = ask(site, "tool >=2", requirements=["alpha"])
        else:
            site.up()
        assert held.held.wait(60), end
        assert site.status(request)["state"] == state
        site.down(signal.SIGKILL)
        held.release()
    site.up()
    status = site.reach(request, "waiting")
    assert kinds(status)[:4] == ["requested", "resolved", "inspected", "judged"]
    site.settled()


def test_what_cannot_be_is_said_in_few_lines(site):
    def problem(request):
        status = until(lambda: (found := site.status(request))["state"] == "failed" and found, what="the end")
        return status["problem"]

    told = problem(ask(site, "tool >=7"))
    assert told["code"] == "unresolvable"
    assert "No candidates were found for tool >=7" in told["title"]
    assert told["where"] == "match specs: tool >=7; channels: main"
    version = python_package().version
    fewest = f"which passes once somebody approves conda:python {version}, conda:tool 1.0"
    assert told["todo"] == f"ask for 'tool==1.0' in place of 'tool >=7', {fewest}"
    told = problem(ask(site, "tool >=2", requirements=["beta"]))
    assert "beta is asked for of an index, and conda:py-beta 1.5 has it already" in told["title"]
    assert "leave it out of the requirements" in told["todo"]
