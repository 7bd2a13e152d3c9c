"""Gates that start no container: each passes what is sound, and fails what is not, saying what and where."""

import base64
import tarfile

import pytest

from sekisho.model import Outcome, Reason
from sekisho.model.image import Accepted, Budget
from sekisho_builder.dockerfile import Dockerfiled
from tests.records import sha
from tests.unit.builder.gating import ACCEPT, COPYRIGHT, STATIC, Gating, by_anna, entry, layer_of, tar_of
from tests.unit.builder.room import SITE
from tests.wheels import make_wheel

KEY = b"-----BEGIN " + b"RSA PRIVATE KEY-----\n" + b"\n".join([b"MIIEpAIBAAKCAQEA" * 4] * 6) + b"\n-----END"
GITHUB = "gh" + "p_" + "a1B2" * 9
HUGGING = "h" + "f_" + "abCD" * 8 + "xy"
WHY = "known, and of no harm in this test"


@pytest.fixture
def gating(tmp_path):
    return Gating(tmp_path)


def accept(gate, what):
    return {"accept": (*ACCEPT, Accepted(gate=gate, what=what, reason=WHY))}


def failed(result, says):
    assert result.status == "failed", result.evidence
    assert any(says in line for line in result.evidence), result.evidence


@pytest.mark.parametrize("gate", STATIC)
def test_a_sound_image_passes(gating, gate):
    result = gating.run(gate)
    assert result.status == "passed", result.evidence
    assert result.evidence


def test_every_file_is_traced_to_its_wheel_or_a_rule(gating):
    gating.wheels = (make_wheel("alpha", entry_points="[console_scripts]\nhi = alpha:main\n"), make_wheel("beta"))
    (gating.folder / "images").mkdir()
    (gating.folder / "images" / "notes.txt").write_bytes(b"own")
    result = gating.run("traced-files", files=({"from": "notes.txt", "to": "/home/job/in/notes.txt"},))
    assert result.status == "passed", result.evidence
    assert result.evidence[:2] == (
        "7 files are members of the 2 approved wheels, byte for byte",
        "6 files follow from them by rule: RECORD, INSTALLER, REQUESTED, programs of entry points",
    )
    assert "1 of `files`" in result.evidence[2]


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (entry(f"{SITE}/extra.py", b"x"), f"/{SITE}/extra.py is in no approved package"),
        (entry(f"{SITE}/alpha/__init__.py", b"x"), f"/{SITE}/alpha/__init__.py is not the file that belongs there"),
        (entry("opt/venv/bin/python", kind=tarfile.SYMTYPE, linkname="/tmp/python"), "the environment itself has there"),
        (entry(f"{SITE}/alpha/.wh.__init__.py"), ".wh.__init__.py is in no approved package"),
        (entry(f"{SITE}/alpha", kind=tarfile.SYMTYPE, linkname="/tmp"), "/alpha is in no approved package"),
        (entry(f"{SITE}/alpha/__init__.py", kind=tarfile.SYMTYPE, linkname="x"), "is a link, and a file of alpha 1.0"),
        (entry("opt/other", kind=tarfile.DIRTYPE, mode=0o755), "/opt/other is a folder that nothing approved is in"),
        (entry("opt/venv", kind=tarfile.DIRTYPE, mode=0o777), "/opt/venv is not what the environment itself has there"),
        (entry(f"{SITE}/alpha", kind=tarfile.DIRTYPE, mode=0o755, uid=1000), "alpha is a folder of mode 755 and owner 1000"),
        (entry("dev/null", kind=tarfile.CHRTYPE), "/dev/null is in no approved package"),
    ],
)  # fmt: skip
def test_what_no_wheel_holds_is_named(gating, one, says):
    gating.on_top = [layer_of(gating.folder / "l", tar_of([one]))]
    failed(gating.run("traced-files"), says)


def test_a_file_of_another_mode_or_owner_is_named(gating):
    content = make_wheel("alpha")
    for more in ({"mode": 0o755}, {"uid": 1}, {"gid": 1}):
        text = b"__version__ = '1.0'\n"
        gating.on_top = [layer_of(gating.folder / "l", tar_of([entry(f"{SITE}/alpha/__init__.py", text, **more)]))]
        failed(gating.run("traced-files"), "not 644 and 0:0")
    assert content.sha256 == gating.wheels[0].sha256


def test_what_is_missing_and_another_base_are_named(gating):
    made = gating.build()
    gating.wheels = (*gating.wheels, make_wheel("beta"))
    wanted = gating.build()
    other = Gating(gating.folder / "other")
    other.folder.mkdir()
    other.base = [entry("etc/other", b"other")]
    assert gating.run_over(wanted, "traced-files").status == "passed"
    failed(
        gating.run_over(type(made)(**{**vars_of(wanted), "base": other.build().base}), "traced-files"),
        "the lowest layers are not those of the base",
    )
    small = Gating(gating.folder / "small")
    small.folder.mkdir()
    layout = small.build().layout
    failed(
        gating.run_over(type(made)(**{**vars_of(wanted), "layout": layout}), "traced-files"),
        f"/{SITE}/beta/__init__.py of beta 1.0 is missing",
    )


def vars_of(made):
    return {name: getattr(made, name) for name in type(made).__dataclass_fields__}


def test_a_wheel_that_is_not_the_locked_file_traces_nothing(gating):
    made = gating.build()
    wheel = gating.folder / "wheels" / gating.wheels[0].sha256
    wheel.write_bytes(make_wheel("alpha", files={"alpha.py": b"evil"}).data)
    failed(gating.run_over(made, "traced-files"), "the wheel of alpha 1.0 is not the locked file")


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (entry("usr/bin/su", b"x", mode=0o4755), "/usr/bin/su runs with the rights of its owner or group (mode 4755)"),
        (entry("usr/bin/x", b"x", mode=0o2755), "/usr/bin/x runs with the rights"),
        (entry("srv/all", b"x", mode=0o666), "/srv/all can be written by anybody (mode 666)"),
        (entry("srv/open", kind=tarfile.DIRTYPE, mode=0o777), "/srv/open can be written by anybody"),
        (entry("dev/sda", kind=tarfile.BLKTYPE, mode=0o600), "/dev/sda is a device"),
        (
            entry("bin/ping", b"x", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": "\x01"}),
            "/bin/ping runs with capabilities",
        ),
    ],
)
def test_what_gives_rights_is_named_and_accepted_only_from_the_base(gating, one, says):
    gating.base.append(one)
    failed(gating.run("privileges"), says)
    taken = gating.run("privileges", **accept("privileges", f"/{one[0].name}"))
    assert taken.status == "passed"
    assert any(WHY in line and says in line for line in taken.evidence)
    gating.base.pop()
    gating.on_top = [layer_of(gating.folder / "l", tar_of([one]))]
    failed(gating.run("privileges", **accept("privileges", f"/{one[0].name}")), says)


def test_sticky_folders_links_and_folders_that_pass_their_group_on_are_no_privilege(gating):
    gating.base += [
        entry("tmp", kind=tarfile.DIRTYPE, mode=0o1777),
        entry("var/mail", kind=tarfile.DIRTYPE, mode=0o2775),
        entry("bin", kind=tarfile.SYMTYPE, mode=0o777, linkname="usr/bin"),
    ]
    assert gating.run("privileges").status == "passed"


def test_what_an_upper_layer_hides_is_found(gating):
    gating.base.append(entry("usr/bin/su", b"x", mode=0o4755))
    gating.on_top = [layer_of(gating.folder / "l", tar_of([entry("usr/bin/.wh.su")]))]
    failed(gating.run("privileges"), "/usr/bin/su runs with the rights")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("root/key.txt", KEY, "/root/key.txt seems to hold a private key"),
        ("srv/account.json", b'{"private_key": "' + KEY.replace(b"\n", b"\\n") + b'"}', "seems to hold a private key"),
        ("srv/late.bin", bytes(3 << 20) + KEY, "seems to hold a private key"),
        ("srv/over.bin", bytes((1 << 20) - 30) + KEY, "seems to hold a private key"),
        ("srv/a", f"token = '{GITHUB}'".encode(), "seems to hold a GitHub token"),
        ("srv/b", f"{HUGGING}\n".encode(), "seems to hold a Hugging Face token"),
        ("srv/c", b"AK" + b"IA" + b"QWERTYUIOP234567", "seems to hold an AWS access key"),
        ("srv/d", b"Account" + b"Key=" + b"a" * 86 + b"==;", "seems to hold an Azure storage key"),
        ("srv/e", b"x?sv=1&" + b"sig=" + b"a" * 43 + b"%3D", "seems to hold an Azure access signature"),
        ("srv/f", b"abc8" + b"Q~" + b"z" * 34, "seems to hold an Azure client secret"),
        ("etc/pip.conf", b"[global]\n", "/etc/pip.conf is pip's configuration"),
        ("root/.netrc", b"", "/root/.netrc is a login file"),
        ("root/.pypirc", b"", "/root/.pypirc is an upload login"),
        ("opt/conda/.condarc", b"", "/opt/conda/.condarc is conda's configuration"),
        ("root/.config/uv/uv.toml", b"", "/root/.config/uv/uv.toml is uv's configuration"),
        ("root/.docker/config.json", b"{}", "/root/.docker/config.json is a registry login"),
        ("root/.aws/credentials", b"", "/root/.aws/credentials is AWS logins"),
        ("root/.cache/huggingface/token", b"", "is a Hugging Face token"),
    ],
)
def test_secrets_in_files_are_named_and_not_repeated(gating, name, content, says):
    gating.base.append(entry(name, content))
    result = gating.run("secrets")
    failed(result, says)
    assert not any(word in line for line in result.evidence for word in (GITHUB, HUGGING, "MIIEpAIB"))
    assert gating.run("secrets", **accept("secrets", f"/{name}")).status == "passed"


@pytest.mark.parametrize(
    "content",
    [
        b'if line.startswith("-----BEGIN ' + b'RSA PRIVATE KEY-----"):\n    return load(line)\n',
        b"-----BEGIN PRIVATE KEY-----\x00-----END PRIVATE KEY-----\x00some words of a library that reads keys",
        b"hf_hub_download(repo_id) or hf_" + b"a" * 40,
        b"AK" + b"IAIOSFODNN7EXAMPLE",
        b"gh" + b"p_short and sig=signature(value)",
        b"https://user@host/ and scheme://host:80/path",
    ],
)
def test_what_only_speaks_of_secrets_is_none(gating, content):
    gating.base.append(entry("usr/lib/reader", content))
    assert gating.run("secrets").status == "passed"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"PIP_INDEX_URL": "https://index.example/simple"}, "PIP_INDEX_URL seems to hold an installer's configuration"),
        ({"UV_DEFAULT_INDEX": "x"}, "UV_DEFAULT_INDEX seems to hold an installer's configuration"),
        ({"HF_TOKEN": "x"}, "HF_TOKEN seems to hold a secret, by its name"),
        ({"AZURE_CLIENT_SECRET": "x"}, "AZURE_CLIENT_SECRET seems to hold a secret"),
        ({"WHERE": "https://me:word@host.example/"}, "WHERE seems to hold a login in an address"),
        ({"ANY": GITHUB}, "ANY seems to hold a GitHub token"),
    ],
)
def test_secrets_in_the_environment(gating, environment, says):
    failed(gating.run("secrets", environment=environment), says)


def test_what_is_no_secret_in_the_environment(gating):
    usual = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "HF_TOKEN": "",
        "TOKENIZERS_PARALLELISM": "1",
    }
    assert gating.run("secrets", environment=usual).status == "passed"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"RUN curl -H 'Authorization: {GITHUB}' x", "seems to hold a GitHub token"),
        ("ARG PIP_EXTRA_INDEX_URL=https://x/simple", "seems to hold an installer's configuration"),
        ("|1 NPM_TOKEN=abc /bin/sh -c npm ci", "seems to hold a secret, by its name"),
        ("RUN pip config set global.index-url x", "seems to hold an installer's configuration"),
        ("RUN git clone https://me:pass@host/x", "seems to hold a login in an address"),
    ],
)
def test_secrets_in_the_history(gating, line, says):
    gating.history = [{"created_by": "ADD file"}, {"created_by": line}]
    failed(gating.run("secrets"), f"line 2 of the history {says}")


def test_labels_are_looked_at(gating):
    failed(gating.run("secrets", labels={"note": GITHUB}), "the label note seems to hold a GitHub token")


def test_a_sample_key_is_no_secret_in_a_wheel_that_anybody_has_and_one_in_a_wheel_of_ours(gating):
    gating.wheels = (make_wheel("alpha", files={"alpha/__init__.py": b"", "alpha/tests/key.pem": KEY}),)
    assert gating.run("secrets").status == "passed"
    gating.more = {"inside": frozenset({"fake"})}
    failed(gating.run("secrets"), f"/{SITE}/alpha/tests/key.pem seems to hold a private key")


def test_a_file_that_only_stands_where_a_public_wheels_does_was_not_looked_into(gating):
    gating.on_top = [layer_of(gating.folder / "l", tar_of([entry(f"{SITE}/alpha/__init__.py", KEY)]))]
    failed(gating.run("secrets"), "is not its package's, and was not looked into")
    gating.on_top = []
    gating.base.append(entry(f"{SITE}/alpha/__init__.py", KEY))
    failed(gating.run("secrets"), "seems to hold a private key")


def test_a_wheel_cannot_bring_configuration_that_a_client_would_find(gating):
    gating.wheels = (make_wheel("alpha", files={"alpha/pip.conf": b"", "alpha-1.0.data/data/pip.conf": b"[global]\n"}),)
    result = gating.run("secrets")
    failed(result, "/opt/venv/pip.conf is pip's configuration")
    assert not any("site-packages" in line for line in result.evidence)


@pytest.mark.parametrize("name", ["size", "unpacked", "layers", "layer"])
def test_a_budget_that_is_passed_is_named(gating, name):
    result = gating.run("budget", budget=Budget(**{name: 1}))
    assert result.status == "failed"
    assert f"budget.{name}" in " ".join(result.evidence) or "more than 1 bytes" in result.evidence[0]


def review(rule, evidence="it says so", outcome=Outcome.REVIEW):
    return {"alpha": (Reason(rule=rule, outcome=outcome, evidence=evidence),)}


@pytest.mark.parametrize(
    ("gate", "rule"), [("licences", "licence"), ("advisories", "weakness"), ("advisories", "stale-osv")]
)
def test_what_the_policy_objects_to_now_needs_a_person_and_a_denial_needs_another_release(gating, gate, rule):
    gating.reasons = review(rule)
    failed(gating.run(gate, **accept(gate, "pkg:*")), f"alpha 1.0: it says so ({rule})")
    gating.more = {"approvals": by_anna(*gating.wheels, approved_by="policy")}
    failed(gating.run(gate), "it says so")
    gating.more = {"approvals": by_anna(*gating.wheels)}
    result = gating.run(gate)
    assert result.status == "passed"
    assert any("approved by anna" in line for line in result.evidence)
    gating.reasons = review(rule, outcome=Outcome.DENY)
    failed(gating.run(gate), "it says so")


def test_other_rules_are_not_these_gates_business(gating):
    gating.reasons = review("young")
    assert gating.run("licences").status == gating.run("advisories").status == "passed"


def test_licences_of_debian_packages_are_judged_and_unknown_is_not_allowed(gating):
    bare = {"accept": ()}
    failed(gating.run("licences", **bare), "Debian's libsmall1 names GPL-2.0-or-later, not among those allowed")
    gating.base[-1] = entry(
        "usr/share/doc/libsmall1/copyright", COPYRIGHT.replace(b"GPL-2+ or ", b"").replace(b"GPL-2+", b"Expat")
    )
    assert gating.run("licences", **bare).status == "passed"
    gating.base[-1] = entry("usr/share/doc/libsmall1/copyright", b"in words only")
    failed(gating.run("licences", **bare), "the licence of Debian's libsmall1 is unknown")
    gating.rules = ({"id": "yanked", "check": "yanked"},)
    assert gating.run("licences", **bare).evidence == ("the policy has no rule on licences",)


def test_unknown_is_unknown_and_needs_a_reason(gating):
    failed(gating.run("advisories", accept=()), "unknown: no advisory data covers Debian's libsmall1 1:1.0-2+deb12u1")
    said = gating.run("advisories").evidence
    assert "unknown: no advisory data covers the locked files" in said
    assert any(line.startswith("deb/*: 1 accepted, ") for line in said)
    gating.more = {"covered": frozenset({"pypi", "deb"})}
    assert not any("unknown" in line for line in gating.run("advisories").evidence)


def test_an_acceptance_that_nothing_needs_is_named(gating):
    gating.base = [one for one in gating.base if "dpkg" not in one[0].name]
    assert "deb/*: there is nothing to accept; drop it from image.yaml" in gating.run("licences").evidence


@pytest.mark.parametrize(
    ("config", "files", "says"),
    [
        ({"Cmd": ["sh", "-c", "pip install -r /in.txt && python run.py"]}, {}, "cmd would run `pip install`"),
        ({"Entrypoint": ["python", "-m", "pip", "--quiet", "install", "x"]}, {}, "entrypoint would run `pip --quiet install`"),
        ({"Entrypoint": ["/start.sh"]}, {"start.sh": b"#!/bin/sh\nconda env update -f x\n"}, "/start.sh would run `conda env`"),
        ({"Cmd": ["start"]}, {"usr/bin/start": b"#!/bin/sh\nuv sync\n"}, "/usr/bin/start would run `uv sync`"),
        (
            {"Cmd": ["/a.sh"]},
            {"a.sh": b"#!/bin/sh\nexec /opt/b.sh\n", "opt/b.sh": b"#!/bin/sh\napt-get -y install x\n"},
            "/opt/b.sh would run `apt-get -y install`",
        ),
        ({}, {"var/runit/server/run": b"#!/bin/bash\nmamba install x\n"}, "/var/runit/server/run would run `mamba install`"),
        ({}, {"etc/profile.d/x.sh": b"pip3 install x\n"}, "/etc/profile.d/x.sh would run `pip3 install`"),
        (
            {},
            {"usr/lib/python3/dist-packages/x.pth": b"import subprocess; subprocess.run(['pip', 'install', 'x'])\n"},
            "x.pth would run `pip install`",
        ),
        (
            {"Healthcheck": {"Test": ["CMD-SHELL", "python -m ensurepip"]}}, {}, "healthcheck would run `ensurepip`",
        ),
    ],
)  # fmt: skip
def test_what_would_install_at_the_start_is_named(gating, config, files, says):
    gating.base_config = config
    gating.base += [entry(name, text, mode=0o755) for name, text in files.items()]
    if "Healthcheck" in config:
        gating.on_top = [layer_of(gating.folder / "l", tar_of([]))]
    failed(run_with(gating, config), says)


def run_with(gating, config):
    """Run the gate over an image with a config of its own, whatever the assembly takes over of its base's."""
    made = gating.build()
    layout = made.layout

    class Said(type(layout)):
        @property
        def config(self):
            found = super().config
            return {**found, "config": {**found["config"], **config}}

    return gating.run_over(type(made)(**{**vars_of(made), "layout": Said(layout.folder)}), "start-up")


@pytest.mark.parametrize(
    "text",
    [
        b"#!/bin/sh\n# pip install x\nexec python\n",
        b"#!/bin/sh\necho pipeline install; uvicorn app\n",
        b"\x7fELF pip install",
    ],
)
def test_what_installs_nothing_starts(gating, text):
    gating.base_config = {"Cmd": ["/start"]}
    gating.base.append(entry("start", text, mode=0o755))
    assert gating.run("start-up").status == "passed"


def test_links_that_lead_in_circles_end(gating):
    gating.base_config = {"Cmd": ["/a", "/c/x"]}
    gating.base += [
        entry("a", kind=tarfile.SYMTYPE, linkname="b"),
        entry("b", kind=tarfile.SYMTYPE, linkname="/a"),
        entry("c", kind=tarfile.SYMTYPE, linkname="c/c/c"),
    ]
    assert gating.run("start-up").status == "passed"


RUNIT = b'#!/bin/bash\nif [[ -z "$DYNAMIC_DEP_INSTALLATION" ]]; then\n  conda env update -n x\nfi\n'


def test_the_switch_of_images_that_install_at_the_start_must_be_off(gating):
    gating.base.append(entry("var/runit/gunicorn/run", RUNIT, mode=0o755))
    failed(gating.run("start-up"), "set DYNAMIC_DEP_INSTALLATION to false in `environment`")
    off = gating.run("start-up", environment={"DYNAMIC_DEP_INSTALLATION": "false"})
    assert off.status == "passed"
    assert any("which it is" in line for line in off.evidence)
    gating.base.pop()
    failed(gating.run("start-up", environment={"DYNAMIC_DEP_INSTALLATION": "true"}), "is not false")


@pytest.mark.parametrize(
    ("project", "release", "files", "needs"),
    [
        ("nvidia-cuda-runtime-cu12", "12.8.90", {}, "525.60.13"),
        ("nvidia-cuda-runtime", "13.0.48", {}, "580.65.06"),
        ("cupy-cuda11x", "13.0", {}, "450.80.02"),
        ("tensor", "2.8.0+cu128", {}, "525.60.13"),
        ("plain", "1.0", {"usr/local/cuda/lib64/libcudart.so.12.4.127": b"x"}, "525.60.13"),
    ],
)
def test_cuda_needs_a_driver_that_the_fleet_has(gating, project, release, files, needs):
    gating.wheels = (make_wheel("alpha"), make_wheel(project, release))
    gating.base += [entry(name, text) for name, text in files.items()]
    unsaid = gating.run("gpu-driver")
    assert unsaid.status == "passed"
    assert unsaid.evidence[0] == f"it needs driver {needs} or newer; `driver` in image.yaml does not state the fleet's"
    failed(gating.run("gpu-driver", driver="440.33"), f"it needs driver {needs} or newer, and the fleet's is 440.33")
    assert gating.run("gpu-driver", driver="999.1").status == "passed"


def test_cuda_that_nobody_knows_and_a_driver_in_the_image_fail(gating):
    gating.wheels = (make_wheel("alpha"), make_wheel("nvidia-nccl-cu14"))
    failed(gating.run("gpu-driver"), "unknown: which driver CUDA 14 needs")
    gating.wheels = (make_wheel("alpha"),)
    gating.base.append(entry("usr/lib/libcuda.so.1", b"x"))
    failed(gating.run("gpu-driver"), "/usr/lib/libcuda.so.1 is a driver's library")
    gating.base[-1] = entry("usr/local/cuda/lib64/stubs/libcuda.so", b"x")
    assert gating.run("gpu-driver").status == "passed"


def test_an_image_that_comes_out_differently_the_second_time_fails(gating):
    other = Gating(gating.folder / "other")
    other.folder.mkdir()
    other.wheels = (make_wheel("alpha", files={"more.py": b"x"}),)
    layout = other.build().layout
    gating.again = lambda _empty: layout
    failed(gating.run("same-digest"), f"assembled again it is sha256:{layout.manifest_sha256}, not sha256:")
    gating.again = None
    made = gating.build()
    assert gating.run_over(made, "same-digest").status == "passed"
    assert not list(made.layout.folder.parent.glob(".again-*"))


def dockerfile(gating, *entries, **more):
    """Put a layer on top that a Dockerfile made."""
    gating.on_top = [layer_of(gating.folder / "l", tar_of(entries))]
    gating.above = Dockerfiled(
        **({"manifest": sha("m"), "context": sha("c"), "size": 1, "added": 1, "reproducible": True} | more)
    )


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (entry(f"{SITE}/alpha/__init__.py", b"x"), f"the Dockerfile changes the approved /{SITE}/alpha/__init__.py"),
        (entry(f"{SITE}/alpha/.wh.__init__.py"), f"the Dockerfile removes /{SITE}/alpha/__init__.py"),
        (entry(f"{SITE}/.wh..wh..opq"), f"the Dockerfile removes /{SITE}"),
        (entry("opt/.wh.venv"), "the Dockerfile removes /opt/venv"),
        (entry(".wh..wh..opq"), "the Dockerfile removes /"),
        (entry("opt/venv", kind=tarfile.SYMTYPE, linkname="/srv"), "the Dockerfile changes the approved /opt/venv"),
        (entry("opt", kind=tarfile.SYMTYPE, linkname="/srv"), "the Dockerfile changes the approved /opt"),
    ],
)
def test_what_was_approved_stays_whatever_is_accepted_of_a_dockerfile(gating, one, says):
    dockerfile(gating, one)
    failed(gating.run("traced-files", **accept("traced-files", "/*")), says)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (entry("srv/made", b"x"), "the Dockerfile makes /srv/made, a file that nobody approved"),
        (entry(f"{SITE}/extra.py", b"x"), f"the Dockerfile makes /{SITE}/extra.py, a file that nobody approved"),
        (
            entry("srv/link", kind=tarfile.SYMTYPE, linkname="/etc"),
            "the Dockerfile makes /srv/link, a link that nobody",
        ),
        (entry("etc/os-release", b"x"), "the Dockerfile changes the base's /etc/os-release"),
        (entry("etc/.wh.os-release"), "the Dockerfile removes /etc/os-release"),
    ],
)
def test_what_a_dockerfile_does_besides_needs_a_reason(gating, one, says):
    dockerfile(gating, one)
    failed(gating.run("traced-files"), says)
    assert gating.run("traced-files", **accept("traced-files", "/*")).status == "passed"


def test_what_a_dockerfile_copies_from_its_folder_was_reviewed_with_it(gating):
    (gating.folder / "images").mkdir()
    (gating.folder / "images" / "said.txt").write_bytes(b"said")
    dockerfile(gating, entry("srv/said.txt", b"said"))
    result = gating.run("traced-files")
    assert result.status == "passed", result.evidence
    assert result.evidence[-1] == "a Dockerfile added 1 layers; 1 files are of the definition's folder"
    dockerfile(gating, entry("etc/os-release", b"said"))
    failed(gating.run("traced-files"), "the Dockerfile changes the base's /etc/os-release")


def test_a_dockerfile_that_comes_out_differently_needs_a_reason_and_what_is_below_never_differs(gating):
    dockerfile(gating, entry("srv/made", b"x"))
    result = gating.run("same-digest")
    assert result.status == "passed", result.evidence
    assert result.evidence[-1] == "built twice, the Dockerfile gave the same 1 layers"
    dockerfile(gating, entry("srv/made", b"x"), reproducible=False, differing=("layer 1",))
    failed(gating.run("same-digest"), "built twice, layer 1 of the Dockerfile differs: this image is not reproducible")
    assert gating.run("same-digest", **accept("same-digest", "Dockerfile")).status == "passed"
    other = Gating(gating.folder / "other")
    other.folder.mkdir()
    other.wheels = (make_wheel("alpha", files={"more.py": b"x"}),)
    layout = other.build().layout
    gating.again = lambda _empty: layout
    failed(
        gating.run("same-digest", **accept("same-digest", "Dockerfile")),
        "what is below the Dockerfile has other layers",
    )


def test_a_base_without_records_has_no_bill_of_materials_unless_that_is_accepted(gating):
    gating.base = [entry("etc/base", b"base")]
    failed(gating.run("sbom"), "unknown: the base keeps no record of its packages")
    assert gating.run("sbom", **accept("sbom", "base")).status == "passed"


def test_without_a_build_these_gates_fail(gating):
    from sekisho_builder.gates import GATES, run_gates
    from tests.fakes import FakeContainers
    from tests.records import NOW, sha

    made = gating.build()
    report = run_gates(
        made.definition, made.lock, "i", FakeContainers(), manifest=sha("m"), now=NOW,
        gates={name: GATES[name] for name in STATIC},
    )  # fmt: skip
    assert {gate.status for gate in report.gates} == {"failed"}
    assert {gate.evidence for gate in report.gates} == {("nothing is known of how the image was made",)}


def test_record_speaks_of_other_hashes_too(gating):
    from hashlib import sha512

    text = b"x = 1\n"
    digest = base64.urlsafe_b64encode(sha512(text).digest()).rstrip(b"=").decode()
    plain = make_wheel("alpha", files={"alpha.py": text})
    record = plain_record(plain).replace(plain_line(plain, "alpha.py"), f"alpha.py,sha512={digest},{len(text)}")
    gating.wheels = (make_wheel("alpha", files={"alpha.py": text}, record=record.encode()),)
    assert gating.run("traced-files").status == "passed"


def plain_record(wheel):
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        return archive.read("alpha-1.0.dist-info/RECORD").decode()


def plain_line(wheel, name):
    return next(line for line in plain_record(wheel).splitlines() if line.startswith(f"{name},"))


def test_a_report_counts_for_the_same_record_only(gating):
    gating.wheels = (make_wheel("alpha"), make_wheel("beta"))
    first = gating.build().record
    assert gating.build().record.digest() == first.digest()
    assert first._replace(approvals=by_anna(make_wheel("gamma"))).digest() == first.digest()
    for other in (
        first._replace(approvals=by_anna(gating.wheels[0])),
        first._replace(covered=frozenset({"pypi"})),
        first._replace(inside=frozenset({"fake"})),
    ):
        assert other.digest() != first.digest()
    gating.reasons = review("weakness")
    assert gating.build().record.digest() != first.digest()
