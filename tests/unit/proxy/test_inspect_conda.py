"""Conda packages as an attacker would make them, and what an honest one tells."""

import hashlib
import json
import tarfile

import pytest

from sekisho.model import Contained
from sekisho.model.conda import RECORD
from sekisho_proxy.inspect.wheel import Job, inspect_file
from tests.channels import Link, make_package
from tests.conda_archives import conda, described, hard, member, tar
from tests.conda_archives import package as packed

ENDINGS = pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
SITE = "lib/python3.11/site-packages"


@pytest.fixture
def inspect(tmp_path):
    """Inspect a package against what its channel says of it; give the facts."""

    def look(package, *, record=None, data=None):
        path = tmp_path / "blob"
        path.write_bytes(package.data if data is None else data)
        stated = json.loads(package.artifact().index[RECORD]) | (record or {})
        job = Job(path=str(path), filename=package.filename, sha256=package.sha256, record=json.dumps(stated))
        return inspect_file(job)

    return look


def found(facts):
    return {(finding.code, finding.detail) for finding in facts.findings}


def codes(facts):
    return {finding.code for finding in facts.findings}


def metadata(name, version):
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


@ENDINGS
def test_an_honest_package(inspect, ending):
    files = {
        "bin/thing": b"#!/opt/placeholder\n",
        "lib/libthing.so.1": b"\x7fELF more",
        "lib/libthing.so": Link("libthing.so.1"),
        f"{SITE}/thing/__init__.py": b"",
        f"{SITE}/thing/fast.so": b"\x7fELF",
        f"{SITE}/Thing-1.5.dist-info/METADATA": metadata("Thing", "1.5"),
        f"{SITE}/other-0.1.egg-info/PKG-INFO": metadata("other", "0.1"),
        f"{SITE}/thing/_vendor/six-1.0.dist-info/METADATA": metadata("six", "1.0"),
    }
    package = make_package(
        "thing",
        "1.5",
        subdir="linux-64",
        files=files,
        ending=ending,
        license="BSD-3-Clause",
        depends=("python >=3.11",),
    )
    facts = inspect(package)
    assert not facts.findings
    assert facts.files == len(files)
    assert facts.native == ("lib/libthing.so.1", f"{SITE}/thing/fast.so")
    assert facts.license_hint == "BSD-3-Clause"
    assert facts.top_level == ("thing",)
    assert facts.requires == ("python >=3.11",)
    assert facts.contains == (Contained(project="other", release="0.1"), Contained(project="thing", release="1.5"))


@pytest.mark.parametrize(
    ("record", "code", "words"),
    [
        ({"name": "other"}, "metadata_mismatch", "the channel states name 'other', index.json 'thing'"),
        ({"version": "2.0"}, "metadata_mismatch", "version '2.0'"),
        ({"build": "9"}, "metadata_mismatch", "build '9'"),
        ({"build_number": 7}, "metadata_mismatch", "build_number 7"),
        ({"subdir": "linux-64"}, "metadata_mismatch", "subdir 'linux-64', index.json 'noarch'"),
        ({"noarch": "python"}, "metadata_mismatch", "noarch 'python', index.json 'generic'"),
        ({"python_site_packages_path": "lib/other"}, "metadata_mismatch", "python_site_packages_path 'lib/other'"),
        ({"depends": []}, "depends_mismatch", "without tiny >=1"),
        ({"depends": ["tiny >=1", "evil"]}, "depends_mismatch", "with evil"),
        ({"constrains": ["small <2"]}, "depends_mismatch", "constrains than index.json: with small <2"),
    ],
)
def test_what_the_channel_says_of_it_differs(inspect, record, code, words):
    package = make_package("thing", depends=("tiny >=1",))
    facts = inspect(package, record=record)
    assert codes(facts) == {code}
    assert words in facts.findings[0].detail


def test_a_record_that_is_missing(inspect, tmp_path):
    package = make_package("thing")
    path = tmp_path / "x"
    path.write_bytes(package.data)
    facts = inspect_file(Job(path=str(path), filename=package.filename, sha256=package.sha256, record=""))
    assert found(facts) == {("metadata_mismatch", "the channel's record of it is missing")}


def row(path, data=b"", **more):
    return {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    } | more


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "'bin/a' is not listed in paths.json"),
        ([row("bin/a", b"a"), row("bin/b")], "'bin/b' is listed and not there"),
        ([row("bin/a", b"b")], "'bin/a' is not what paths.json states"),
        ([row("bin/a", b"a", sha256="")], "'bin/a' is listed without a hash"),
        ([row("bin/a", b"a", size_in_bytes=9)], "'bin/a' has another size than paths.json states"),
        ([row("bin/a", b"a", path_type="softlink")], "'bin/a' is listed as a softlink and is a file"),
        ([row("bin/a", b"a", path_type="directory")], "'bin/a' is listed as a folder and is none"),
        ([row("bin/a", b"a", prefix_placeholder="import os")], "of 'bin/a' 'import os' would be replaced"),
    ],
)
@ENDINGS
def test_a_list_of_paths_that_lies(inspect, rows, words, ending):
    package = make_package("thing", "1.0", build="h1_0", subdir="linux-64", ending=ending)
    facts = inspect(package, data=packed([member("bin/a", b"a")], ending=ending, paths=rows))
    assert any(code == "record_mismatch" and words in detail for code, detail in found(facts))


@pytest.mark.parametrize(
    ("path", "words"),
    [("../outside", "leaves its folder"), ("share/../../outside/", "leaves its folder"), ("/outside", "relative path")],
)
@pytest.mark.parametrize("kind", ["directory", "hardlink"])
def test_a_list_of_paths_that_leads_elsewhere(inspect, path, words, kind):
    """A folder that is listed need not be among the members: a client would make it all the same."""
    package = make_package("thing", "1.0", build="h1_0", subdir="linux-64")
    rows = [row("bin/a", b"a"), row(path, path_type=kind)]
    ((code, detail),) = found(inspect(package, data=packed([member("bin/a", b"a")], paths=rows)))
    assert code == "archive_confusion"
    assert words in detail


def test_a_package_without_a_list_of_paths(inspect):
    info = [one for one in described([]) if one[0].name != "info/paths.json"]
    package = make_package("thing", build="h1_0", subdir="linux-64")
    assert ("record_mismatch", "there is no info/paths.json") in found(inspect(package, data=conda(tar([]), tar(info))))


def test_links_are_held_to_what_they_lead_to(inspect):
    package = make_package("thing", build="h1_0", subdir="linux-64")
    content = [member("lib/a", b"real"), hard("lib/hard", "lib/a")]
    link, _ = member("lib/soft", kind=tarfile.SYMTYPE, target="./hard")
    rows = [row("lib/a", b"real"), row("lib/hard", b"real"), row("lib/soft", b"real", path_type="softlink")]
    assert not inspect(package, data=packed([*content, (link, b"")], paths=rows)).findings
    rows[2]["sha256"] = "0" * 64
    assert ("record_mismatch", "'lib/soft' is not what paths.json states") in found(
        inspect(package, data=packed([*content, (link, b"")], paths=rows))
    )
    rows[1]["sha256"] = rows[2]["sha256"]
    assert ("record_mismatch", "'lib/hard' is not what paths.json states") in found(
        inspect(package, data=packed([*content, (link, b"")], paths=rows))
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("bin/.thing-post-link.sh", "link_script"),
        ("bin/.thing-pre-link.sh", "link_script"),
        ("bin/.thing-pre-unlink.sh", "link_script"),
        ("Scripts/.thing-post-link.bat", "link_script"),
        ("python-scripts/.thing-post-link.sh", "link_script"),
        ("bin/.another-post-unlink.sh", "link_script"),
        ("etc/conda/activate.d/thing.sh", "activation_script"),
        ("etc/conda/deactivate.d/thing.sh", "activation_script"),
        ("etc/conda/env_vars.d/thing.json", "activation_script"),
        ("Menu/thing.json", "menu"),
        (".condarc", "client_settings"),
        ("condarc", "client_settings"),
        ("condarc.d/mine.yml", "client_settings"),
        ("pip.conf", "client_settings"),
        ("conda-meta/other-1.0-0.json", "archive_confusion"),
        (f"{SITE}/evil.pth", "top_level_pth"),
        ("site-packages/sitecustomize.py", "top_level_pth"),
        ("Lib/site-packages/evil.pth", "top_level_pth"),
        ("lib/python3.11/os.py", "top_level_pth"),
        ("bin/python3.11", "top_level_pth"),
        ("python-scripts/python", "top_level_pth"),
    ],
)
@ENDINGS
def test_what_a_place_does_is_named(inspect, path, code, ending):
    facts = inspect(make_package("thing", files={path: b"x"}, ending=ending))
    assert found(facts) == {(code, path)}


@pytest.mark.parametrize(
    "path",
    ["bin", "python-scripts", "etc", "etc/conda", "etc/conda/activate.d", "Menu", "conda-meta", "condarc.d", "lib",
     "lib/python3.11", SITE, "site-packages"],
)  # fmt: skip
@ENDINGS
def test_a_link_in_place_of_a_folder_in_which_files_do_something_is_named(inspect, path, ending):
    """Clients ran ``share/x/.thing-post-link.sh`` where ``bin`` leads to ``share/x``."""
    up = "../" * path.count("/")
    files = {path: Link(f"{up}share/x"), "share/x/.thing-post-link.sh": b"x"}
    facts = inspect(make_package("thing", files=files, ending=ending))
    assert ("archive_confusion", f"{path} is a link, and clients take it for a folder") in found(facts)
    assert codes(facts) <= {"archive_confusion", "top_level_pth"}


@pytest.mark.parametrize("path", ["lib64", "lib/python3.1", "share/bin", "lib/thing", "bin/thing"])
def test_links_elsewhere_are_harmless(inspect, path):
    files = {path: Link(f"{'../' * path.count('/')}share/x"), "share/x/y": b"x"}
    assert not inspect(make_package("python", files=files)).findings


@pytest.mark.parametrize(
    "path",
    [
        "bin/post-link.sh",
        "share/doc/.thing-post-link.sh.txt",
        f"{SITE}/thing/.thing-post-link.sh",
        "share/condarc",
        "etc/conda/thing.conf",
        f"{SITE}/thing/pip.conf",
        f"{SITE}/thing/data.pth.txt",
        "share/menu.json",
    ],
)
def test_what_only_looks_so(inspect, path):
    assert not inspect(make_package("thing", files={path: b"x"})).findings


@pytest.mark.parametrize(
    ("command", "code"), [("python3", "top_level_pth"), (".thing-post-link.sh", "link_script"), ("thing", None)]
)
def test_a_program_that_the_installer_writes_is_a_file_too(inspect, command, code):
    package = make_package(
        "thing", noarch="python", entry_points=(f"{command} = thing:main",), files={"site-packages/thing.py": b""}
    )
    assert found(inspect(package)) == ({(code, f"bin/{command}")} if code else set())


def test_the_interpreter_itself_may_be_one(inspect):
    files = {"bin/python3.11": b"\x7fELF", "lib/python3.11/os.py": b"", f"{SITE}/evil.pth": b"import evil"}
    assert found(inspect(make_package("python", "3.11.7", files=files))) == {("top_level_pth", f"{SITE}/evil.pth")}


def test_modes_of_another_user(inspect):
    package = make_package("thing", build="h1_0", subdir="linux-64")
    facts = inspect(package, data=packed([member("bin/su", b"x", mode=0o4755)]))
    assert found(facts) == {("privileged_mode", "bin/su has mode 4755")}


@pytest.mark.parametrize("text", [b"", b"Name: a b\nVersion: 1\n", b"Name: a\n", b"X: 1\n" * 6000])
def test_a_project_that_cannot_be_told(inspect, text):
    facts = inspect(make_package("thing", files={f"{SITE}/x-1.dist-info/METADATA": text}))
    assert codes(facts) == {"metadata_mismatch"}
    assert facts.contains == ()


@pytest.mark.parametrize(
    ("stated", "about", "hint"),
    [("MIT", "MIT", "MIT"), ("MIT", "", "MIT"), ("MIT", "GPL-3.0-only", "MIT / GPL-3.0-only"), ("M" * 200, "", None)],
)
def test_the_licence_that_it_states(inspect, stated, about, hint):
    assert inspect(make_package("thing", license=stated, about={"license": about})).license_hint == hint


@ENDINGS
def test_an_archive_that_leads_elsewhere_is_a_finding(inspect, ending):
    package = make_package("thing", build="h1_0", subdir="linux-64", ending=ending)
    facts = inspect(package, data=packed([member("../evil", b"x")], ending=ending))
    assert found(facts) == {("archive_confusion", "'../evil' leaves its folder")}


def test_a_file_that_is_no_package_is_a_finding(inspect):
    assert codes(inspect(make_package("thing"), data=b"nothing")) == {"archive_confusion"}
