"""The ten steps, each through the same commands and APIs that a person uses."""

import json
import re
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import closed
from place import IMAGE, CommandError, Place, lay_tree, run_json, sekisho
from services import Services, answers, registry_command, up_command
from show import Show, Step

from sekisho.client import PortalClient
from sekisho.containers import DockerContainers
from sekisho.settings import owner_of

REQUESTER, APPROVER = "ana", "ben"
APPROVED, UNAPPROVED = "joblib", "polars"
_AFTER_APPROVAL = ("approved", "locked", "assembled", "gated", "delivered")


class Demo:
    """The demo over its place, services and screen."""

    def __init__(self, place: Place, services: Services, show: Show, *, keep: bool) -> None:
        self.place = place
        self.services = services
        self.show = show
        self.keep = keep
        self.tokens: dict[str, str] = {}
        self.request = ""
        self.image = ""
        self.containers = DockerContainers(owner=owner_of(place.home / "closed"))

    def run(self) -> None:
        """Run all steps in order."""
        self.start()
        self.resolve()
        self.judge()
        self.approve()
        self.lock()
        self.assemble()
        self.gate()
        self.push()
        self.run_stages()
        self.replica()

    def as_(self, name: str) -> dict[str, str]:
        """Return the environment of a person of the open zone."""
        return self.place.environment("open", SEKISHO_TOKEN=self.tokens[name])

    def status(self) -> dict[str, Any]:
        """Return where the request stands; raise if it failed or a service ended."""
        self.services.check()
        with PortalClient(f"http://127.0.0.1:{self.place.portal}", self.tokens[REQUESTER]) as portal:
            status = portal.status(self.request)
        if status["state"] in ("failed", "refused", "denied"):
            problem = status.get("problem", {})
            said = problem.get("title") or f"the request was {status['state']}, see {status['link']}"
            raise CommandError(
                ("request", self.request),
                _done(f"{status.get('failed_stage', 'judge')}: {said}\n{problem.get('todo', '')}"),
            )
        return status

    def until(self, step: Step, states: tuple[str, ...], *, seconds: float) -> dict[str, Any]:
        """Wait until the request is in one of ``states``, moving the step's bar."""

        def ask() -> dict[str, Any] | None:
            status = self.status()
            if told := status.get("progress"):
                step.progress(told["stage"], told["done"], told["total"])
            return status if status["state"] in states else None

        return dict(step.wait(ask, seconds=seconds, what=f"reaching {' or '.join(states)}"))

    # 1

    def start(self) -> None:
        """Lay the tree, start registry, portal, proxy and builder, begin the base image, issue two tokens."""
        with self.show.step("Start the registry, the portal, the proxy and the builder on loopback") as step:
            place = self.place
            self.sweep()
            step.details["tree"] = lay_tree(place)
            environment = place.environment("open")
            self.services.start("base", [sekisho(), "builder", "base", IMAGE, "--json"], environment)
            self.services.start("registry", registry_command(place), environment)
            self.services.start("sekisho", up_command(), environment, keep=self.keep)
            portal, proxy = f"http://127.0.0.1:{place.portal}", f"http://127.0.0.1:{place.proxy}"

            def up() -> bool:
                self.services.check()
                return all(answers(f"{url}/readyz") for url in (portal, proxy))

            self._issue_tokens(environment)  # while the services are starting
            step.wait(up, seconds=60, what="starting the services")
            step.wait(
                lambda: answers(f"http://127.0.0.1:{place.registry}/v2/"), seconds=20, what="starting the registry"
            )
            self._keep_session(portal, proxy)
            step.details |= {"portal": portal, "proxy": proxy, "registry": f"127.0.0.1:{place.registry}"}
            step.details["summary"] = f"portal {portal}, proxy {proxy}, registry 127.0.0.1:{place.registry}"

    def sweep(self) -> None:
        """Remove the containers that this run, or a killed one, left."""
        self.containers.sweep()
        DockerContainers(owner=owner_of(self.place.home / "open")).sweep()

    def _issue_tokens(self, environment: dict[str, str]) -> None:
        def issue(name: str, role: str) -> tuple[str, str]:
            run_json(environment, "token", "revoke", name)
            return name, run_json(environment, "token", "issue", name, "--role", role)["token"]

        with ThreadPoolExecutor() as pool:
            self.tokens = dict(pool.map(issue, (REQUESTER, APPROVER), ("requester", "approver")))

    def _keep_session(self, portal: str, proxy: str) -> None:
        """Keep the links and the tokens where only this user reads them; KEEP=1 points there."""
        path = self.place.home / "session.json"
        path.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        path.write_text(json.dumps({"portal": portal, "proxy": proxy, "tokens": self.tokens}, indent=2) + "\n")

    # 2

    def resolve(self) -> None:
        """The requester asks for the image; the whole closure is resolved for its target."""
        with self.show.step(f"{REQUESTER} asks for images/{IMAGE}; its whole closure is resolved") as step:
            status = run_json(
                self.as_(REQUESTER), "request", "--image", IMAGE, "--reason", "train and serve the churn model"
            )
            self.request = status["id"]
            status = self.until(step, ("inspecting", "judging", "judged", "waiting", *_AFTER_APPROVAL), seconds=300)
            found = status["closure"]
            step.details |= {"request": self.request, **found}
            megabytes = found["bytes"] / 1e6
            step.details["summary"] = f"{found['packages']} packages, {megabytes:.0f} MB, by {found['resolver']}"
            step.say(f"request {self.request}: {step.details['summary']}")

    # 3

    def judge(self) -> None:
        """Every artifact is inspected in quarantine and judged."""
        with self.show.step("The closure is inspected in quarantine and judged") as step:
            status = self.until(step, ("waiting", *_AFTER_APPROVAL), seconds=600)
            order = {"deny": 0, "review": 1, "allow": 2}
            with PortalClient(f"http://127.0.0.1:{self.place.portal}", self.tokens[REQUESTER]) as portal:
                status = portal.status(self.request, verdicts=True)
            for verdict in sorted(status["verdicts"], key=lambda row: (order[row["outcome"]], row["purl"])):
                reasons = "; ".join(f"{reason['rule']}: {reason['evidence']}" for reason in verdict["reasons"])
                name = verdict["purl"].removeprefix("pkg:pypi/").partition("?")[0].replace("@", " ")
                step.verdict(verdict["outcome"], name, reasons)
            step.details |= {"counts": status["counts"], "known": status["known"], "verdicts": status["verdicts"]}
            step.reused = status["known"] == status["closure"]["packages"]
            counted = ", ".join(f"{number} {outcome}" for outcome, number in status["counts"].items())
            step.details["summary"] = f"{counted}; {status['known']} known before"

    # 4

    def approve(self) -> None:
        """The requester may not approve; somebody else does, and the proxy hears of it."""
        with self.show.step(f"{REQUESTER} may not approve; {APPROVER} does") as step:
            step.details["refusal"] = self._refused_attempt()
            step.say(f"{REQUESTER} tries: {step.details['refusal']}", "red")
            step.wait(lambda: self.services.ended("base"), seconds=300, what="preparing the base image")
            status = self.status()
            if status["state"] == "waiting":
                reason = "reviewed the exceptions; fits the churn model"
                run_json(self.as_(APPROVER), "approve", self.request, "--reason", reason)
                status = self.until(step, _AFTER_APPROVAL, seconds=60)
            else:
                step.reused = True
            approval = status["approval"]
            with PortalClient(f"http://127.0.0.1:{self.place.portal}", self.tokens[APPROVER]) as portal:
                policy = portal.policy()
            step.wait(lambda: self._proxy_sequence() >= policy["sequence"], seconds=30, what="the proxy's new policy")
            step.details |= {"approval": approval, "policy": policy}
            number = approval["artifacts"]
            said = f"{approval['approved_by']} approved {number} artifacts" if number else "all were approved before"
            step.details["summary"] = (
                f"{said}; commit {approval['revision'][:12]}, policy snapshot {policy['sequence']}"
            )
            step.say(step.details["summary"])

    def _refused_attempt(self) -> str:
        try:
            run_json(self.as_(REQUESTER), "approve", self.request, "--reason", "I need it")
        except CommandError as error:
            return str(error).partition("\n")[2].splitlines()[0]
        raise CommandError(("approve", self.request), _done("the requester could approve their own request"))

    def _proxy_sequence(self) -> int:
        import httpx2  # noqa: PLC0415 (one call)

        return int(httpx2.get(f"http://127.0.0.1:{self.place.proxy}/api/policy", timeout=5).json()["sequence"])

    # 5

    def lock(self) -> None:
        """The requester writes and commits the lock."""
        with self.show.step(f"{REQUESTER} writes the lock") as step:
            self.until(step, _AFTER_APPROVAL[1:], seconds=60)
            found = run_json(self.as_(REQUESTER), "lock", IMAGE)
            step.reused = not found["changed"] and self.place.report.exists()
            step.details |= found
            step.details["summary"] = f"{found['packages']} packages, hash-pinned, in images/{IMAGE}/requirements.lock"
            step.say(f"{found['path']}: {found['packages']} packages, one hash each")

    # 6, 7, 8

    def assemble(self) -> None:
        """The image is assembled from base and wheels."""
        with self.show.step("The image is assembled from its base and the approved wheels") as step:
            status = self.until(step, _AFTER_APPROVAL[2:], seconds=420)
            made, base = status["assembly"], json.loads(self.services.said("base"))["base"]
            step.details |= {**made, "base": base}
            layers = made["layers"]
            step.reused = all(layer["reused"] for layer in layers) and bool(base["reused"])
            size = sum(layer["size"] for layer in layers) / 1e6
            step.details["summary"] = (
                f"sha256:{made['manifest'][:12]}, {len(layers)} layers, {size:.0f} MB; "
                f"base {'reused' if base['reused'] else 'built'}{', locked anew' if base['relocked'] else ''}"
            )
            step.say(step.details["summary"])

    def gate(self) -> None:
        """The gates pass in a container with no network."""
        with self.show.step("The gates, in a container with no network") as step:
            status = self.until(step, _AFTER_APPROVAL[3:], seconds=420)
            report = status["gates"]
            step.details |= report
            step.reused = bool(report.get("reused"))
            for gate in report["gates"]:
                evidence = gate.get("evidence", [""])
                step.say(f"{gate['status']:<7} {gate['gate']:<14} {evidence[0] if evidence else ''}")
            step.details["summary"] = f"{len(report['gates'])} gates passed"

    def push(self) -> None:
        """The image is in the registry, and from here on only its digest is used."""
        with self.show.step("The image is pushed to the registry; from here on only its digest is used") as step:
            image = self.until(step, ("delivered",), seconds=180)["image"]
            self.image = f"{image['registry']}/{image['repository']}@sha256:{image['manifest']}"
            step.reused = image["sent"] == 0
            step.details |= {**image, "reference": self.image}
            step.details["summary"] = f"{image['sent']} blobs sent, {image['skipped']} there already"
            step.say(self.image)

    # 9

    def run_stages(self) -> None:
        """Pull by digest, train, and score: no network in any of it."""
        with self.show.step("Closed zone: pull by digest, train, score") as step:
            environment = self.place.environment("closed")
            scripts = self.place.tree / "images" / IMAGE / "verify"
            out = self.place.home / "outputs"
            shutil.rmtree(out, ignore_errors=True)
            pulled = run_json(environment, "stage", "pull", self.image)
            began = time.monotonic()
            trained = run_json(
                environment, "stage", "train", self.image, "--script", str(scripts / "train.py"), "--out", str(out)
            )
            step.details |= {"engine_image": pulled["id"], "metrics": trained["metrics"]}
            step.details["train_seconds"] = round(time.monotonic() - began, 2)
            scored = run_json(
                environment, "stage", "score", self.image, "--script", str(scripts / "score.py"),
                "--model", str(out / "model"), "--sample", str(out / "sample.json"),
            )  # fmt: skip
            step.details |= {"training_prediction": scored["expected"], "server_prediction": scored["predicted"]}
            step.details["seconds_to_healthy"] = scored["seconds_to_healthy"]
            metrics = ", ".join(f"{name} {value:.4f}" for name, value in trained["metrics"].items())
            step.details["summary"] = f"{metrics}; the server predicts what training recorded"
            step.say(step.details["summary"])
            step.say(f"training {scored['expected']}, server {scored['predicted']}")

    # 10

    def replica(self) -> None:
        """Feed a replica by a bundle, and let clients in the closed zone meet it."""
        with self.show.step("Closed zone: a replica fed by a bundle is the only peer") as step:
            place = self.place
            bundle = place.home / "bundle"
            exported = run_json(place.environment("open"), "export", "--to", str(bundle))
            closed.hand_over_trust(place)
            imported = run_json(place.environment("closed"), "import", str(bundle))
            step.details |= {"exported": exported, "imported": imported}
            with self.containers.serve(closed.keeper_task(self.image)) as zone:
                self.services.start("replica", closed.replica_command(zone.pid), closed.replica_environment(place))
                self._meet(step, closed.Clients(self.containers, self.image, zone.id))

    def _meet(self, step: Step, clients: closed.Clients) -> None:
        peers = step.wait(
            lambda: (found := clients.peers(self.place))["replica"] == "yes" and found,
            seconds=60,
            what="starting the replica",
        )
        if peers["routes"] or peers["interfaces"] != ["lo"] or "yes" in (peers["open_proxy"], peers["portal"]):
            raise CommandError(("replica",), _done(f"the closed zone is not closed: {peers}"))
        step.details["peers"] = peers
        told: dict[str, str] = {}
        for name, client in (("pip", clients.pip), ("uv", clients.uv)):
            good, bad = client(APPROVED), client(UNAPPROVED)
            if good.status != 0:
                raise CommandError((name, APPROVED), _done(good.output))
            explained = re.search(
                rf"not[.-]approved.*127\.0\.0\.1(?::|\.port\.){self.place.portal}", bad.output, re.DOTALL
            )
            if bad.status == 0 or not explained:
                raise CommandError((name, UNAPPROVED), _done(f"not an explained refusal: {bad.output}"))
            told[name] = bad.output.strip()
            step.details[f"{name}_installs"] = good.output.strip().splitlines()[-1]
            step.say(f"{name} install {APPROVED}: {step.details[f'{name}_installs']}")
            step.say(f"{name} install {UNAPPROVED}: {_refusal(told[name])}", "red")
        step.details["refusals"] = told
        blobs = step.details["imported"]
        step.details["summary"] = (
            f"{blobs['new']} blobs new, {blobs['here']} here before; pip and uv served and refused"
        )

    def print_links(self) -> None:
        """Say where the kept services are and how to log in."""
        say = self.show.console.print
        say(f"portal: http://127.0.0.1:{self.place.portal}/  (log in with a token from {self.place.home}/session.json)")
        say(f"proxy:  http://127.0.0.1:{self.place.proxy}/w/everyone/pypi/simple/")
        say("stop them with `make clean`, or with the next `make demo`")


def _done(output: str) -> Any:  # noqa: ANN401 (what CommandError takes)
    import subprocess  # noqa: PLC0415 (one record)

    return subprocess.CompletedProcess([], 1, "", output)


def _refusal(output: str) -> str:
    """Return the line of a client's output that carries the refusal."""
    lines = [line.strip() for line in output.splitlines() if "approved" in line]
    return lines[0] if lines else output
