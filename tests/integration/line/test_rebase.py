"""A patched base takes the old one's place under a delivered image: by command, with gates, after a kill too."""

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile

import pytest

from sekisho.definitions import read_definition
from sekisho.settings import load_settings
from sekisho_builder.base import open_base
from sekisho_builder.oci.layout import LAYER, LOCK_ANNOTATION, Descriptor, Layer, Layout, write_layout
from sekisho_builder.oci.registry import push
from tests.integration.line.outside import until
from tests.integration.line.site import SEKISHO, kinds

pytestmark = pytest.mark.docker


def base_of(layout, folder, registry, *, files=(), links=()):
    """Push a base of the layers of ``layout`` and one with files and links above them; return its reference."""
    folder.mkdir()
    layers = [
        Layer(layout.blob(row.sha256), row, diff.removeprefix("sha256:"), "base")
        for row, diff in zip(layout.layers, layout.config["rootfs"]["diff_ids"], strict=True)
    ]
    if files or links:
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for path, content, mode in files:
                info = tarfile.TarInfo(path)
                info.size, info.mode = len(content), mode
                archive.addfile(info, io.BytesIO(content))
            for path, target in links:
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info)
        packed = gzip.compress(tar.getvalue(), mtime=0)
        (folder / "patch").write_bytes(packed)
        described = Descriptor(LAYER, hashlib.sha256(packed).hexdigest(), len(packed))
        layers.append(Layer(folder / "patch", described, hashlib.sha256(tar.getvalue()).hexdigest(), "patch"))
    config = {key: layout.config[key] for key in ("created", "architecture", "os", "config")}
    written = write_layout(folder / "base", layers, config, {LOCK_ANNOTATION: "sha256:" + "0" * 64})
    return str(push(written, registry.name, "base", folder.name).reference)


def blobs(registry, image):
    """Return the digests of an image's layers, as the registry has them."""
    found = registry.folder / "data/docker/registry/v2/blobs/sha256" / image[:2] / image / "data"
    return [row["digest"] for row in json.loads(found.read_bytes())["layers"]]


def test_a_patched_base_is_put_under_an_image(make_site, engine, bases, real_registry, tmp_path):
    real_registry.start()
    site = make_site(up=False, registry=real_registry.name)
    site.engine = os.environ.get("DOCKER_HOST")
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    definition = read_definition(site.images, "tool")
    old = Layout(open_base(definition, site.images, load_settings(base_cache=bases)).folder)
    site.define("tool", ["alpha"], {"image": base_of(old, tmp_path / "old", real_registry)})
    site.up()
    before = site.reach(site.ask("tool")["id"], "delivered", seconds=120)
    assert site.ok("builder", "rebase", "--all").stdout == "1 unchanged\n"

    patched = base_of(old, tmp_path / "patched", real_registry, files=[("etc/patched", b"yes\n", 0o644)])
    site.define("tool", ["alpha"], {"image": patched})
    killed(site)
    told = json.loads(site.ok("builder", "rebase", "tool", "--json").stdout)
    after = site.status(before["id"])
    assert [(row["image"], row["outcome"], row["manifest"]) for row in told] == [
        ("tool", "done", after["image"]["manifest"])
    ]
    assert kinds(after)[-2:] == ["delivered", "rebased"]
    assert (after["state"], after["assembly"]["built"]) == ("delivered", 0)
    assert after["assembly"]["base"]["manifest"] == patched.rpartition(":")[2]
    assert all(gate["status"] == "passed" for gate in after["gates"]["gates"])
    was, now = (blobs(real_registry, status["image"]["manifest"]) for status in (before, after))
    assert now == [*was[: len(old.layers)], now[len(old.layers)], *was[len(old.layers) :]]
    assert site.ok("builder", "rebase", "--all").stdout == "1 unchanged\n"

    other = base_of(old, tmp_path / "other", real_registry, links=[("usr/bin/python3", "python3.12")])
    site.define("tool", ["alpha"], {"image": other})
    done = site.run("builder", "rebase", "--all")
    assert (done.returncode, done.stdout) == (1, "1 refused\n")
    assert "tool (everyone): refused: the new base has Python 3.12, and the packages are for 3.11.2" in done.stderr
    assert kinds(site.status(before["id"]))[-1] == "not-rebased"
    assert site.status(before["id"])["image"] == after["image"]
    site.settled()


def test_a_dockerfile_is_built_above_the_patched_base_and_a_gate_that_fails_promotes_nothing(
    make_site, engine, bases, real_registry, tmp_path
):
    real_registry.start()
    site = make_site(up=False, registry=real_registry.name)
    site.engine = os.environ.get("DOCKER_HOST")
    site.define("tool", ["alpha"], {"debian": "debian-12-python"})
    definition = read_definition(site.images, "tool")
    old = Layout(open_base(definition, site.images, load_settings(base_cache=bases)).folder)
    why = {"gate": "same-digest", "what": "Dockerfile", "reason": "a folder has the time of the build"}

    def stand_on(name, files=()):
        image = base_of(old, tmp_path / name, real_registry, files=files)
        site.define("tool", ["alpha"], {"image": image}, accept=[why])

    stand_on("old")
    (site.images / "tool" / "Dockerfile").write_text("ARG SEKISHO_BASE\nFROM ${SEKISHO_BASE}\nCOPY said.txt /srv/\n")
    (site.images / "tool" / "said.txt").write_text("hello\n")
    site.commit("Add a Dockerfile")
    site.up()
    before = site.reach(site.ask("tool")["id"], "delivered", seconds=120)

    patch = ("etc/patched", b"yes\n", 0o644)
    stand_on("patched", [patch])
    assert site.ok("builder", "rebase", "--all").stdout == "1 done\n"
    after = site.status(before["id"])
    was, now = (blobs(real_registry, status["image"]["manifest"]) for status in (before, after))
    assert now == [*was[: len(old.layers)], now[len(old.layers)], *was[len(old.layers) : -1], now[-1]]
    assert after["assembly"]["dockerfile"]["added"] == 1

    tags = real_registry.tags(before["image"]["repository"])
    stand_on("bad", [patch, ("usr/bin/become", b"\n", 0o4755)])
    done = site.run("builder", "rebase", "--all")
    assert (done.returncode, done.stdout) == (1, "1 failed-gate\n")
    assert "tool (everyone): failed-gate: gate privileges failed: /usr/bin/become" in done.stderr
    kept = site.status(before["id"])
    assert kinds(kept)[-1] == "not-rebased"
    report = kept["not_rebased"]["gates"]["gates"]
    assert [gate["gate"] for gate in report if gate["status"] == "failed"] == ["privileges"]
    assert (kept["state"], kept["image"], kept["gates"]) == ("delivered", after["image"], after["gates"])
    assert real_registry.tags(before["image"]["repository"]) == tags
    assert "stays on its base since" in site.ok("status", before["id"], who="ana").stdout

    (site.images / "tool" / "said.txt").write_text("something else\n")
    stand_on("other", [("etc/patched", b"again\n", 0o644)])
    done = site.run("builder", "rebase", "--all")
    assert (done.returncode, done.stdout) == (1, "1 refused\n")
    assert "its Dockerfile, or what lies beside it, is not what was delivered" in done.stderr
    assert real_registry.tags(before["image"]["repository"]) == tags
    site.settled()


def killed(site):
    """Begin to rebase, and kill it once the new image is assembled."""
    layouts = list((site.data / "builder" / "images").glob("*/index.json"))
    process = subprocess.Popen(
        [SEKISHO, "builder", "rebase", "--all"], env=site.environment(), cwd=site.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until(
        lambda: (
            set((site.data / "builder" / "images").glob("*/index.json")) > set(layouts) or process.poll() is not None
        ),
        what="a new layout",
    )
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert kinds(site.newest())[-1] == "delivered"
