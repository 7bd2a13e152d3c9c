"""Figures of an installation with a past: a real portal over a large allowlists tree, and a proxy that follows it."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bench import peers
from bench.changes import follow, routes_of
from bench.place import BIN, MeasureError, bare_environment, free_port
from bench.policy import RULES, SOURCE
from bench.processes import timed
from bench.pypi import Wheel
from bench.rows import Row
from bench.site import Site
from sekisho.allowlist import SignedApproval, dump_yaml, sign_approval
from sekisho.database import open_database
from sekisho.keys import open_signer
from sekisho.ledger import Ledger
from sekisho.model import Approval, Artifact, Closure, Request, Target
from sekisho.settings import Settings
from sekisho.signing import Signer

_PROJECTS, _RELEASES = 500, 40
_REQUESTS, _PACKAGES = 100, 100
_MADE = datetime(2026, 1, 1, tzinfo=UTC)
_QUESTIONS = ("package-7==3.0", "package-7", "package-7==77.0", "package-499==39.0", "nothing", "evil")


def measure(site: Site) -> list[Row]:
    """Lay a past down, start portal and proxy on it, ask why, and change the tree by commits."""
    few = 20 if site.quick else 1
    past = Past(site, projects=_PROJECTS // few, requests=_REQUESTS // few)
    many = f"{past.projects * _RELEASES:,} approvals"
    site.say(f"laying down a tree of {many} of {past.projects} projects")
    past.lay_down()
    site.say("starting a real portal on it, and a proxy that follows it")
    past.start()
    site.say("asking why")
    slowest = max(past.why(question) for question in _QUESTIONS)
    changes = past.changes(site.rounds(2))
    past.stop()
    return [
        Row(f"sekisho why, tree of {many}: slowest answer", slowest, "s", 1, "lower"),
        Row(f"commit to every route, tree of {many}", median(changes), "s", 1, "lower", note="a revocation, and back"),
    ]


class Past:
    """An installation: keys, ledger and tree of a portal, and a proxy's own folder."""

    def __init__(self, site: Site, *, projects: int, requests: int) -> None:
        self._site = site
        self.projects = projects
        self._requests = requests
        self._folder = site.place.work / "past"
        self._tree = self._folder / "tree"
        self._settings = Settings(data=self._folder / "data", allowlists=self._tree, portal_port=free_port())
        self._wheel: Wheel = site.taken.wheels[0]
        self._token = ""

    @property
    def _portal(self) -> dict[str, str]:
        return bare_environment(
            self._folder,
            SEKISHO_DATA=str(self._settings.data),
            SEKISHO_ALLOWLISTS=str(self._tree),
            SEKISHO_PORTAL_PORT=str(self._settings.portal_port),
            SEKISHO_TOKEN=self._token,
        )

    def lay_down(self) -> None:
        """Write the tree, signed by the portal's key, commit it, and give the ledger its rows."""
        signer = open_signer(self._settings, "portal")
        for number in range(self.projects):
            name = f"package-{number}"
            self._write(name, [_signed(signer, _artifact(name, f"{release}.0")) for release in range(_RELEASES)])
        self._write(self._wheel.project, [_signed(signer, self._wheel.artifact(SOURCE))])
        (self._tree / "policy.yaml").write_text(RULES.format(ask=self._settings.portal))
        source = {"id": SOURCE, "url": f"{self._site.upstream.url}/simple/", "private": True}
        (self._tree / "sources.yaml").write_text(dump_yaml({"sources": [source]}))
        self._git("init", "--quiet")
        self._commit()
        ledger = Ledger(open_database(self._settings.database_url))
        for number in range(self._requests):
            subject = f"r{number:012x}"
            for kind, body in _rows(number, self.projects):
                intent = ledger.append(kind, subject, actor="anna", body=body)
            done = {"id": f"a{intent.seq}", "revision": "0" * 40, "reason": "fine"}
            ledger.append("approved", subject, actor="anna", body=done)

    def start(self) -> None:
        """Start the portal, wait until its policy is in force, and start the proxy on the same keys."""
        site = self._site
        sekisho = str(BIN / "sekisho")
        issue = [sekisho, "token", "issue", "rita", "--role", "requester", "--json"]
        said = subprocess.run(issue, capture_output=True, text=True, check=True, env=self._portal, timeout=60)
        self._token = json.loads(said.stdout)["token"]
        portal = site.servers.start("portal", [sekisho, "up", "--only", "portal"], self._portal, self._folder)
        portal.wait_for(f"{self._settings.portal}/healthz", seconds=180)
        folder = self._folder / "proxy"
        (folder / "data").mkdir(parents=True)
        for name in ("trust.json", "service.token"):
            (folder / "data" / name).write_bytes((self._settings.data / name).read_bytes())
        self._proxy = peers.ours(site.servers, folder, self._settings.portal, first=self._wheel.project)
        self._servers = [self._proxy.server, portal]

    def stop(self) -> None:
        """End proxy and portal."""
        for server in self._servers:
            self._site.servers.stop(server)

    def why(self, question: str) -> float:
        """Return how many seconds the command takes."""
        command = [str(BIN / "sekisho"), "why", question]

        def ask() -> None:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._portal, timeout=60)
            if done.returncode or question.partition("==")[0] not in done.stdout:
                raise MeasureError(f"sekisho why {question}: {(done.stderr or done.stdout).strip()[-300:]}")

        return timed(ask)

    def changes(self, rounds: int) -> list[float]:
        """Take an approval out of the tree and put it back; return the seconds from each commit to the last route."""
        routes = routes_of(self._proxy, self._wheel)
        file = self._tree / "pypi" / f"{self._wheel.project}.yaml"
        text, seconds = file.read_text(), []
        for number in range(1, rounds + 1):
            self._site.say(f"revoke and approve by commit, round {number}")
            for shown in (False, True):
                if shown:
                    file.write_text(text)
                else:
                    file.unlink()
                self._commit()
                seconds.append(follow(routes, shown=shown, patience=180))
        return seconds

    def _write(self, project: str, approvals: list[SignedApproval]) -> None:
        rows = [{**one.approval.plain(), "signature": one.signature.plain()} for one in approvals]
        path = self._tree / "pypi" / f"{project}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dump_yaml({"project": project, "approvals": rows}))

    def _commit(self) -> None:
        self._git("add", "--all", ".")
        self._git("commit", "--quiet", "--message", "change")

    def _git(self, *arguments: str) -> None:
        who = ("-c", "user.name=bench", "-c", "user.email=bench@sekisho.invalid", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self._tree), *who, *arguments]
        subprocess.run(command, capture_output=True, check=True, timeout=60)


def _artifact(project: str, release: str) -> Artifact:
    filename = f"{project.replace('-', '_')}-{release}-py3-none-any.whl"
    digest = hashlib.sha256(filename.encode()).hexdigest()
    return Artifact(
        source=SOURCE,
        project=project,
        release=release,
        filename=filename,
        path=f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}",
        sha256=digest,
        size=1000,
        uploaded=_MADE,
        index={"requires-python": ">=3.9", "core-metadata": digest},
    )


def _signed(signer: Signer, artifact: Artifact) -> SignedApproval:
    approval = Approval(
        id=f"{artifact.project}-{artifact.release}",
        request="r0",
        closure="0" * 64,
        policy="0" * 64,
        requested_by="rita",
        approved_by="anna",
        reason="needed",
        scope=("everyone",),
        at=_MADE,
        artifacts=(artifact,),
    )
    return sign_approval(approval, signer)


def _rows(number: int, projects: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the ledger keeps of one request, from asking to the intent to approve it."""
    asked = Request(
        requester="rita",
        requirements=(f"package-{number % projects}",),
        target=Target(python="3.11.2", glibc="2.36"),
        at=_MADE + timedelta(hours=number),
    )
    packages = range(min(_PACKAGES, projects))
    found = [_artifact(f"package-{(number * 7 + step) % projects}", f"{number % 5}.0") for step in packages]
    reason = {"rule": "young", "outcome": "review", "evidence": "uploaded 3 days ago, less than 7"}
    verdicts = [{"purl": a.purl, "sha256": a.sha256, "outcome": "review", "reasons": [reason]} for a in found]
    closure = Closure(
        request=asked.digest(), target=asked.target, direct=asked.requirements, resolver="uv 0", artifacts=tuple(found)
    )
    head = {"closure": "0" * 64, "policy": "0" * 64, "at": _MADE.isoformat(), "outcome": "review"}
    yield "requested", {"request": asked.plain()}
    yield "resolved", {"closure": closure.plain()}
    yield "inspected", {"facts": [{"sha256": one.sha256, "size": one.size} for one in found]}
    yield "judged", {"judgement": {**head, "verdicts": verdicts}, "known": 0}
    yield "approval-intended", {"artifacts": [one.sha256 for one in found]}
