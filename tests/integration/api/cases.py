"""Schemathesis against one service, as one caller. Run as a program: service, caller, cases, seed.

It prints one line of JSON: how many cases, which statuses by operation, and the first failures. Half of the values of
what names something are ones that are there, so that requests get past "not found".
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS as REGISTERED
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

from sekisho.sources import Source
from tests.channels import Channel, FakeChannels, make_package
from tests.fake_upstream import FakeUpstream, run_asgi
from tests.integration.proxy.house import House
from tests.unit.portal.house import BOTH, NUMPY, RITA, SERVICE, Web
from tests.unit.portal.house import House as PortalHouse
from tests.wheels import make_wheel

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
)
_MOST_FAILURES = 5


class Place:
    """Where the service is, what a caller sends along, and names of what is there, by parameter."""

    def __init__(self, url: str, headers: dict[str, str], known: dict[str, list[str]]) -> None:
        self.url = url
        self.headers = headers
        self.known = known


@contextmanager
def proxy(caller: str) -> Iterator[Place]:
    wheels = [make_wheel("alpha", "1.2", requires=("beta>=1",)), make_wheel("beta", "2.0"), make_wheel("evil")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        house = House(folder, upstream=stack.enter_context(run_asgi(FakeUpstream(wheels=wheels))))
        packages = [make_package("alpha"), make_package("beta", ending=".tar.bz2")]
        channel = stack.enter_context(run_asgi(FakeChannels(channels={"chan": Channel(tuple(packages))})))
        house.inside = (Source(id="chan", kind="conda", url=f"{channel}/chan"),)
        house.settle(
            house.approval(*(wheel.artifact() for wheel in wheels[:1])),
            house.approval(packages[0].artifact(source="chan")),
        )
        client = stack.enter_context(house.open())
        made = client.get("/api/policy").json()["made"].replace("+00:00", "Z")
        known = {
            "workspace": ["everyone", "team-a"],
            "address": [made, "2020-01-01", "0123456"],
            "project": ["alpha", "beta", "evil", "Alpha", "al.pha"],
            "release": ["1.2", "2.0"],
            "source": [house.source.id, "chan"],
            "path": [row.path for row in (*wheels, *packages)],
            "token": ["skp_wrong", "t"],
            "subdir": ["noarch", "linux-64"],
            "name": ["repodata_shards"],
        }
        token = {"service": house.token, "stranger": "skp_wrong"}.get(caller)
        yield Place(str(client.base_url), {"Authorization": f"Bearer {token}"} if token else {}, known)


@contextmanager
def portal(caller: str) -> Iterator[Place]:
    with ExitStack() as stack:
        house = PortalHouse(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(house.ledger._engine.dispose)
        web = Web(house)
        requests = [house.ask(RITA), house.waiting(NUMPY, who=BOTH), house.waiting(NUMPY, requirements=["numpy>1"])]
        house.approve(requests[2])
        token = {"stranger": "skp_wrong", **web.secrets}.get(caller)
        url = stack.enter_context(run_asgi(web.app))
        known = {"request_id": requests, "project": ["numpy", "six"]}
        yield Place(url, {"Authorization": f"Bearer {token}"} if token else {}, known)


PLACES = {"proxy": proxy, "portal": portal}
assert SERVICE.name == "service"


def _at_home(case: Any, place: Place, chance: Any) -> None:
    """Put what is there in the place of some generated names, and never wait for news."""
    for name in case.path_parameters:
        if name in place.known and chance.randrange(2):
            case.path_parameters[name] = chance.choice(place.known[name])
    if "wait" in (case.query or {}):
        case.query["wait"] = min(case.query["wait"], 0.01) if isinstance(case.query["wait"], (int, float)) else "x"


def run(place: Place, cases: int, number: int) -> dict[str, Any]:
    schema = schemathesis.openapi.from_url(f"{place.url}/openapi.json")
    checks = [REGISTERED.get_one(name) for name in CHECKS]  # loading a description registers them
    operations = [found.ok() for found in schema.get_all_operations()]
    statuses: Counter[str] = Counter()
    failures: list[str] = []
    for operation in operations:
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @seed(number)
        @settings(
            max_examples=-(-cases // len(operations)),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(modes), chance=st.randoms(use_true_random=False))
        def try_one(case: Any, chance: Any) -> None:
            _at_home(case, place, chance)
            answer = case.call(base_url=place.url, headers=place.headers)
            statuses[f"{case.operation.label} {answer.status_code}"] += 1
            case.validate_response(answer, checks=checks)

        try:
            try_one()
        except (FailureGroup, AssertionError) as error:
            failures.append(f"{operation.label}: {error}"[:3000])
        if len(failures) >= _MOST_FAILURES:
            break
    return {"cases": sum(statuses.values()), "statuses": dict(statuses), "failures": failures}


if __name__ == "__main__":
    service, caller, cases, number = sys.argv[1:]
    with PLACES[service](caller) as found:
        print(json.dumps(run(found, int(cases), int(number))))  # noqa: T201
