"""A portal without HTTP: a real ledger in SQLite and a real git repository, on a clock that a test moves."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from sekisho.model import Artifact, Closure, Facts
from sekisho.policy import Door
from sekisho.settings import Settings
from sekisho.tokens import Identity
from sekisho_portal.app import make_app
from sekisho_portal.service import open_desk
from sekisho_portal.standing import Standing
from sekisho_portal.tree import GitTree
from tests.allowlists_tree import Repository
from tests.fakes import FakeClock
from tests.records import TARGET, artifact, facts

RITA = Identity(name="rita", roles=("requester",))
BOTH = Identity(name="bo", roles=("requester", "approver"))
ANNA = Identity(name="anna", roles=("approver",))
OTTO = Identity(name="otto", roles=("approver",))
ADA = Identity(name="ada", roles=("admin",))
SERVICE = Identity(name="service", roles=("service",))

NUMPY, SIX = artifact(), artifact("six", "1.17.0")
GPL = {"license_expression": "GPL-3.0-only"}
PASSED = {"gates": [{"gate": "imports", "status": "passed"}]}
"""What the one gate said of an image."""


class House:
    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "repo")
        self.settings = Settings(
            data=folder / "data", allowlists=self.repository.tree, portal_url="http://portal.invalid"
        )
        self.clock = FakeClock(tick=timedelta(milliseconds=1))
        self.open()

    def open(self) -> None:
        """Start the portal, or start it again on what is left on disk."""
        self.desk, self.snapshots, self.tokens = open_desk(self.settings, self.clock)

    @property
    def ledger(self):
        return self.desk.ledger

    def use(self, tree: GitTree) -> None:
        """Have approvals committed through ``tree``, until the next start."""
        self.desk.means.tree = tree

    def ask(self, who: Identity = RITA, requirements: Iterable[str] = ("numpy",), **more: Any) -> str:
        body = {"requirements": list(requirements), "target": TARGET.plain(), **more}
        return self.desk.ask(who, body).id

    def closure(self, request_id: str, *artifacts: Artifact) -> Closure:
        request = self.desk.standing(request_id).request
        return Closure(
            request=request.digest(),
            target=request.target,
            direct=request.requirements,
            conda=request.conda,
            resolver="uv 0",
            resolve_before=request.resolve_before,
            artifacts=artifacts,
        )

    def report(self, request_id: str, kind: str, **body: Any) -> Standing:
        return self.desk.report(SERVICE, request_id, kind, body)

    def resolve(self, request_id: str, *artifacts: Artifact) -> Standing:
        return self.report(request_id, "resolved", closure=self.closure(request_id, *artifacts).plain())

    def inspect(self, request_id: str, *found: Facts) -> Standing:
        return self.report(request_id, "inspected", facts=[one.plain() for one in found])

    def propose(self, *artifacts: Artifact, who: Identity = RITA, known: Any = None, **more: Any) -> str:
        """Ask, resolve and inspect; what is found says of every artifact what ``known`` says."""
        request_id = self.ask(who, **({"requirements": [one.project for one in artifacts]} | more))
        self.resolve(request_id, *artifacts)
        self.inspect(request_id, *(facts(one, **(known or {})) for one in artifacts))
        return request_id

    def waiting(self, *artifacts: Artifact, **more: Any) -> str:
        """Return a request that a person has to decide."""
        request_id = self.propose(*(artifacts or (NUMPY, SIX)), known=GPL, **more)
        assert self.state(request_id) == "waiting"
        return request_id

    def approve(self, request_id: str, who: Identity = ANNA, **more: Any) -> Standing:
        return self.desk.approve(who, request_id, **({"reason": "fine", "expires": None} | more))

    def state(self, request_id: str) -> str:
        return self.desk.standing(request_id).state

    def kinds(self, request_id: str) -> list[str]:
        return [row.kind for row in self.desk.standing(request_id).rows]

    def admitted(self, workspace: str = "everyone") -> frozenset[str]:
        """Return what the snapshot in force admits."""
        return Door(self.snapshots.current(), workspace).hashes(self.clock())


class Web:
    """The house's web application, and a token for everybody."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app = make_app(house.desk, house.snapshots, house.tokens)
        self.client = TestClient(self.app, follow_redirects=False, raise_server_exceptions=False)
        people = (RITA, BOTH, ANNA, OTTO, ADA)
        self.secrets = {who.name: house.tokens.issue(who.name, who.roles) for who in people}
        self.secrets[SERVICE.name] = house.settings.service_token_file.read_text().strip()

    def call(self, method: str, path: str, who: str | None = None, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.secrets[who]}"} if who else {}
        return self.client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)

    def visit(self, who: str | None) -> "Visitor":
        return Visitor(self, who)


class Visitor:
    """A person's browser: a cookie, and the key of the forms that it was shown."""

    def __init__(self, web: Web, who: str | None) -> None:
        self.client = TestClient(web.app, follow_redirects=False, raise_server_exceptions=False)
        if who:
            done = self.client.post("/login", data={"token": web.secrets[who]})
            assert (done.status_code, done.headers["location"]) == (303, "/")

    def get(self, path: str) -> Response:
        return self.client.get(path)

    def key(self, path: str = "/requests/new") -> str:
        return re.search(r'name="key" value="([0-9a-f]{64})"', self.get(path).text)[1]

    def post(self, path: str, **fields: str) -> Response:
        """Send a form as one of our own pages does."""
        return self.client.post(path, data={"key": self.key(), **fields})
