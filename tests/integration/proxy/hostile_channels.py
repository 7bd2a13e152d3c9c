"""Every hostile channel through every way to read it, by unmodified clients. As a program it prints a line of JSON.

A leak is an address outside the door, a package that nobody approved, other bytes, a request that another host gets, or
a token of a client that leaves the house.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import yaml
from backports import zstd

from sekisho.errors import BadInputError
from sekisho.model.conda import PackageName, conda_artifact
from sekisho.sources import Source
from tests.channels import FakeChannels, Rattler, RattlerError
from tests.channels.hostile import AT_FOREIGN, FOREIGN, GOOD, SHA256S, Attack, attacks
from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import House

TOKEN = "a-token-of-a-client"
POLICY = "version: 1\nrules:\n  - {id: no-such, check: denied, kind: conda, projects: [nobody]}\nworkspaces: {loose: {mode: audit}}\n"
READINGS = {
    "py-rattler, shards": {"sharded": True},
    "py-rattler, .json.zst": {"sharded": False},
    "py-rattler, .json": {"sharded": False, "zstd": False, "bz2": False},
}
FORMS = (
    "noarch/repodata_shards.msgpack.zst",
    "noarch/repodata.json",
    "noarch/repodata.json.zst",
    "noarch/current_repodata.json",
    "noarch/current_repodata.json.zst",
    "noarch/run_exports.json",
    "noarch/run_exports.json.zst",
    "channeldata.json",
)


@dataclass
class Found:
    """What was tried, and what got through."""

    attacks: int = 0
    clients: Counter[str] = field(default_factory=Counter)
    """How many packages each client would take: one that takes none proves nothing."""

    forms: set[str] = field(default_factory=set)
    cases: int = 0
    resolved: int = 0
    leaks: list[str] = field(default_factory=list)
    control: dict[str, str] = field(default_factory=dict)
    """What the same attacks do to a client that asks the channels themselves."""

    def judge(self, where: str, client: str, door: str, rows: list[tuple[str, str, str]], allowed: set[str]) -> None:
        """Note a client's answer: (address, name, sha256) of each package that it would take."""
        self.cases += 1
        self.clients[client] += len(rows)
        for url, name, sha256 in rows:
            self.resolved += 1
            if not url.startswith(f"{door}/"):
                self.leaks.append(f"{where}, {client}: {url}")
            if name not in allowed or sha256 in SHA256S:
                self.leaks.append(f"{where}, {client}: {name} {sha256[:12]}")


class Site:
    """A house whose channels are all hostile, another host that logs, and the addresses of every way in."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.other = FakeChannels(channels={"evil": FOREIGN}, lies=dict(AT_FOREIGN))
        self.elsewhere = stack.enter_context(run_asgi(self.other))
        self.attacks = attacks(self.elsewhere)
        self.upstream = FakeChannels(channels={"evil": FOREIGN}, lies=dict(AT_FOREIGN), elsewhere=f"{self.elsewhere}/")
        for name, attack in self.attacks.items():
            self._put(name, attack)
        self.base = stack.enter_context(run_asgi(self.upstream))
        self.house = House(folder, upstream=self.base)
        self.house.inside = tuple(Source(id=name, kind="conda", url=f"{self.base}/{name}") for name in self.attacks)
        self.approved = {name: _approvable(name, attack) for name, attack in self.attacks.items()}
        approvals = [self.house.approval(*rows) for rows in self.approved.values() if rows]
        self.house.settle(*approvals, policy=POLICY)
        self.client = stack.enter_context(self.house.open())
        self.url = str(self.client.base_url).rstrip("/")

    def _put(self, name: str, attack: Attack) -> None:
        self.upstream.channels[name] = attack.channel
        self.upstream.lies |= {f"/{name}/{path}": body for path, body in attack.lies.items()}
        self.upstream.faults |= {f"/{name}/{path}": fault for path, fault in attack.faults.items()}

    def doors(self, name: str) -> dict[str, str]:
        """Return the ways to a channel that people have."""
        return {
            "door": f"{self.url}/w/everyone/conda/{name}",
            "door with a token": f"{self.url}/t/{TOKEN}/w/everyone/conda/{name}",
            "audit": f"{self.url}/w/loose/conda/{name}",
        }

    def candidates(self, name: str) -> str:
        """Return the builder's way."""
        return f"{self.url}/t/{self.house.token}/candidates/conda/{name}"


def _approvable(source: str, attack: Attack) -> list:
    """Return what an approver could approve of ``good``, as the channel states it."""
    found = []
    for rows in attack.channel.index("noarch"):
        for filename, record in rows.items():
            try:
                artifact = conda_artifact(source, filename, record, subdir="noarch")
            except BadInputError:
                continue
            if artifact.project == "good" and artifact.sha256 == GOOD.sha256:
                found.append(artifact)
    return found


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(folder, stack)


def run(site: Site, folder: Path) -> Found:
    """Try everything."""
    found = Found(attacks=len(site.attacks))
    with Rattler(folder / "rattler") as rattler:
        for name in site.attacks:
            _control(site, rattler, name, found)
        site.other.asked.clear()
        site.upstream.asked.clear()
        for name in site.attacks:
            _by_rattler(site, rattler, name, found)
            _by_hand(site, name, found)
    _by_conda(site, folder, found)
    _by_look_alike(site, folder, found)
    _by_programs(site, folder, found)
    _by_pixi(site, folder, found)
    found.leaks += [f"the other host was asked for {row.path}" for row in site.other.asked]
    found.leaks += [
        f"upstream was asked for {row.path}" for row in site.upstream.asked if row.path.startswith("/evil/")
    ]
    carried = [row.path for row in site.upstream.asked if TOKEN in repr(row) or site.house.token in repr(row)]
    found.leaks += [f"a token was carried to {path}" for path in carried]
    return found


def _solve(rattler: Rattler, url: str, spec: str, **options) -> list[tuple[str, str, str]]:
    try:
        return [(row.url, row.name, row.sha256) for row in rattler.solve([url], [spec], **options)]
    except RattlerError:
        return []


def _control(site: Site, rattler: Rattler, name: str, found: Found) -> None:
    """Ask the hostile channel itself: an attack that does nothing there proves nothing here."""
    site.other.asked.clear()
    for form, options in READINGS.items():
        for url, _, sha256 in _solve(rattler, f"{site.base}/{name}", "good", **options):
            if not url.startswith(f"{site.base}/{name}/") or sha256 in SHA256S:
                found.control[name] = f"{form}: {url}"
        if site.other.asked:
            found.control.setdefault(name, f"{form} asks {site.other.asked[0].path} of the other host")


def _by_rattler(site: Site, rattler: Rattler, name: str, found: Found) -> None:
    for way, door in site.doors(name).items():
        plain = door.replace(f"/t/{TOKEN}", "")
        for client, options in list(READINGS.items())[: 1 if "token" in way else None]:
            for spec in ("good", "evil") if way == "door" else ("good",):
                rows = _solve(rattler, door, spec, **options)
                shown = [(url.replace(f"/t/{TOKEN}", ""), package, sha256) for url, package, sha256 in rows]
                found.judge(f"{name} by {way}", client, plain, shown, {"good"})
    mount = site.candidates(name)
    for spec in ("good", "evil"):
        rows = _solve(rattler, mount, spec)
        found.judge(f"{name} by the candidate mount", "py-rattler, shards", mount, rows, {"good"})


def _by_hand(site: Site, name: str, found: Found) -> None:
    """Read every representation as bytes, and ask for the files themselves."""
    other = site.elsewhere.partition("//")[2].encode()
    for way, door in site.doors(name).items():
        for form in FORMS:
            reply = site.client.get(f"{door}/{form}")
            body = (
                zstd.decompress(reply.content) if form.endswith(".zst") and reply.status_code == 200 else reply.content
            )
            found.cases += 1
            found.forms.add(form.rpartition("/")[2])
            for word in (other, b"evil", b"9.9", TOKEN.encode(), b"signatures", b'url":', b"relations", b"v3"):
                if word in body:
                    found.leaks.append(f"{name} by {way}: {form} says {word!r}")
        for path in (GOOD.path, *(package.path for package in FOREIGN.packages)):
            for method in ("GET", "HEAD"):
                found.cases += 1
                try:
                    reply = site.client.request(method, f"{door}/{path}")
                except httpx2.TransportError:
                    continue
                if reply.status_code < 400 and (path != GOOD.path or reply.content not in {b"", GOOD.data}):
                    found.leaks.append(f"{name} by {way}: {path} was given")
                if TOKEN in repr(reply.headers):
                    found.leaks.append(f"{name} by {way}: a header has the token")


def _by_conda(site: Site, folder: Path, found: Found) -> None:
    """Read by conda's own code, which conda-lock carries."""
    for fn, packed in (("repodata.json", True), ("repodata.json", False), ("current_repodata.json", True)):
        rc = folder / f"condarc-{fn}-{packed}"
        rc.write_text(f"pkgs_dirs: ['{folder}/pkgs-{fn}-{packed}']\nrepodata_use_zst: {str(packed).lower()}\n")
        doors = {door: name for name in site.attacks for way, door in site.doors(name).items() if "token" not in way}
        asked = {"urls": [f"{door}/noarch" for door in doors], "rc": str(rc), "fn": fn}
        done = _run([sys.executable, "-m", "tests.channels.conda_reader"], folder, stdin=json.dumps(asked))
        for url, rows in json.loads(done.stdout).items():
            client, door = f"conda, {fn}{'.zst' if packed else ''}", url.removesuffix("/noarch")
            read = [tuple(row) for row in rows] if isinstance(rows, list) else []
            found.judge(doors[door], client, door, read, {"good"})


def _by_look_alike(site: Site, folder: Path, found: Found) -> None:
    """Solve over all hostile channels at once by what stands in for conda where there is none."""
    program = Path(sys.executable).with_name("sekisho-conda")
    channels = [word for name in site.attacks for word in ("-c", site.doors(name)["door"])]
    words = [program, "create", "--prefix", folder / "none", "--dry-run", "--json", "--override-channels", *channels]
    for spec in ("good", "evil"):
        said = json.loads(_run([*words, spec], folder).stdout)
        rows = [(row["url"], row["name"], row["sha256"]) for row in said.get("actions", {}).get("FETCH", ())]
        found.judge("all", "sekisho-conda", f"{site.url}/w/everyone/conda", rows, {"good"})


def _by_programs(site: Site, folder: Path, found: Found) -> None:
    """Solve by every conda, mamba and micromamba that this machine has."""
    for program in filter(None, map(shutil.which, ("conda", "mamba", "micromamba"))):
        for name in site.attacks:
            door = site.doors(name)["door"]
            words = [
                program,
                "create",
                "-y",
                "-p",
                folder / "none",
                "--dry-run",
                "--json",
                "--override-channels",
                "-c",
                door,
            ]
            said = json.loads(_run([*words, "good"], folder).stdout or "{}")
            rows = [
                (row["url"], row["name"], row.get("sha256", "")) for row in said.get("actions", {}).get("FETCH", ())
            ]
            found.judge(name, Path(program).name, door, rows, {"good"})


def _by_pixi(site: Site, folder: Path, found: Found) -> None:
    """Lock a workspace of each channel by pixi, if this machine has it."""
    program = shutil.which("pixi")
    for name in site.attacks if program else ():
        door, here = site.doors(name)["door"], folder / "pixi" / name
        here.mkdir(parents=True)
        manifest = (
            f'[workspace]\nname = "w"\nchannels = ["{door}"]\nplatforms = ["linux-64"]\n[dependencies]\ngood = "*"\n'
        )
        (here / "pixi.toml").write_text(manifest)
        _run([program, "lock", "--manifest-path", here / "pixi.toml"], folder)
        lock = here / "pixi.lock"
        packages = yaml.safe_load(lock.read_text())["packages"] if lock.is_file() else []
        rows = [
            (row["conda"], PackageName.parse(row["conda"].rpartition("/")[2]).name, row.get("sha256", ""))
            for row in packages
        ]
        found.judge(name, "pixi", door, rows, {"good"})


def _run(words: list, folder: Path, *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    away = ("CONDA", "MAMBA", "RATTLER", "PIXI")
    bare = {key: value for key, value in os.environ.items() if not key.upper().startswith(away)}
    environment = bare | {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [str(word) for word in words],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, open_site(Path(place) / "house") as opened:
        tried = run(opened, Path(place))
        shown = {"attacks": tried.attacks, "clients": tried.clients, "representations": sorted(tried.forms)}
        shown |= {"cases": tried.cases, "resolved": tried.resolved, "leaks": tried.leaks, "control": tried.control}
        print(json.dumps(shown))  # noqa: T201
