"""Requests that no closure can satisfy: exit status 1, and the resolver's own reason."""

import pytest

from tests.integration.line.outside import Outside, serving
from tests.integration.line.site import Site, kinds
from tests.wheels import make_wheel

WHEELS = [
    make_wheel("a", requires=("b>=2",)),
    make_wheel("b", "1.0"),
    make_wheel("top", requires=("a",)),
    make_wheel("win", tag="cp311-cp311-win_amd64"),
    make_wheel("mac", tag="cp311-cp311-macosx_11_0_arm64"),
    make_wheel("newer", tag="cp313-cp313-manylinux_2_17_x86_64"),
    make_wheel("glibc", tag="cp311-cp311-manylinux_2_39_x86_64"),
    make_wheel("needs-newer", requires_python=">=3.13"),
    make_wheel("above", requires=("win",)),
    make_wheel("ctx"),
    make_wheel("lib", "1.0"),
    make_wheel("lib", "2.0"),
    make_wheel("user", requires=("lib",)),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A site that all tests of this file share: no request changes what another is told."""
    with serving(Outside(WHEELS)) as served:
        site = Site(tmp_path_factory.mktemp("line"), served.url)
        try:
            site.up()
            yield site
        finally:
            site.down()


@pytest.mark.parametrize(
    ("asked", "words"),
    {
        "unknown": ("nosuch", ["nosuch was not found in the package registry", "you require nosuch"]),
        "unknown release": ("b==9", ["there is no version of b==9"]),
        "chain": ("a", ["only b==1.0 is available", "all versions of a depend on b>=2"]),
        "longer chain": ("top", ["only b==1.0 is available", "a depend on b>=2", "all versions of top depend on a"]),
        "only Windows": ("win", ["win==1.0 has no wheels with a matching platform tag", "`win_amd64`"]),
        "only macOS": ("mac", ["mac==1.0 has no wheels with a matching platform tag", "`macosx_11_0_arm64`"]),
        "only another Python": ("newer", ["matching Python implementation tag", "`cp311`", "`cp313`"]),
        "only a newer glibc": ("glibc", ["matching platform tag", "`manylinux_2_39_x86_64`"]),
        "Requires-Python": ("needs-newer", ["does not satisfy Python>=3.13"]),
        "a need without a wheel": ("above", ["win==1.0 has no wheels", "all versions of above depend on win"]),
        "denied by the policy": ("ctx", ["no versions of ctx"]),
    }.values(),
)
def test_an_unsatisfiable_request_ends_with_the_resolvers_reason(line, asked, words):
    said = line.refused("request", asked, "--python", "3.11.2", "--wait", who="ana")
    for word in words:
        assert word in said
    status = line.newest()
    assert f"where: request {status['id']}, resolve: requirements: {asked}" in said
    denied = asked == "ctx"
    todo = "ask without ctx" if denied else "change the requirement that it names"
    assert f"do now: {todo}" in said
    assert "--retry" not in said  # the same words cannot succeed
    assert kinds(status) == ["requested", "failed"]
    assert status["problem"]["code"] == "unresolvable"
    shown = line.ok("status", status["id"], who="ana").stdout
    assert "failed in resolve" in shown
    assert words[0] in shown
    line.settled()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("git+https://example.invalid/x", "names an address or a file, and only projects of a source can be judged"),
        (
            "x @ https://example.invalid/x.whl",
            "names an address or a file, and only projects of a source can be judged",
        ),
        ("two words", "'two words' is not a requirement"),
    ],
)
def test_what_names_no_project_is_refused_at_once(line, asked, words):
    before = line._api("requests")
    said = line.refused("request", asked, "--python", "3.11.2", who="ana")
    assert words in said
    assert "do now: " in said
    assert line._api("requests") == before


def test_asking_without_a_target_shows_what_was_found_out_and_how_to_correct_it(line):
    done = line.ok("request", "b", "--dry-run", who="ana")
    assert done.stdout == "b\n"
    assert "target: Python 3." in done.stderr
    assert "another with --python, --glibc, --arch" in done.stderr


def test_a_lock_is_kept_to_up_to_the_judgement(line, tmp_path):
    older, newer = (wheel for wheel in WHEELS if wheel.project == "lib")
    lock, pins = tmp_path / "requirements.txt", tmp_path / "pins.txt"
    pins.write_text("lib==1.0\n")
    lock.write_text(f"-c pins.txt\nuser==1.0 --hash=sha256:{WHEELS[-1].sha256}\n")
    done = line.ok("request", "-r", str(lock), "--python", "3.11.2", "--wait", who="ana")
    assert "bound by 1 constraints and the hashes of 1 projects" in done.stderr
    verdicts = line.ok("status", line.newest()["id"], "--verdicts", who="ana").stdout
    assert "pkg:pypi/lib@1.0 " in verdicts
    assert "pkg:pypi/lib@2.0" not in verdicts
    pins.write_text(f"lib==1.0 --hash=sha256:{newer.sha256}\n")
    said = line.refused("request", "-r", str(lock), "--python", "3.11.2", "--wait", who="ana")
    assert "lib 1.0 has no wheel for" in said
    assert "that has one of the 1 hashes asked for" in said
    pins.write_text(f"lib==1.0 --hash=sha256:{older.sha256}\n")
    line.ok("request", "-r", str(lock), "--python", "3.11.2", "--wait", who="ana")


def test_why_names_a_command_that_works(line):
    said = line.ok("why", "nosuch==3", who="ana").stdout
    assert "nosuch==3 is not approved for workspace everyone (rule not-approved)" in said
    command = said.rpartition("ask for it: sekisho ")[2].partition("\n")[0].split()
    assert command[:2] == ["request", "nosuch==3"]
    assert "resolving" in line.ok(*command, who="ana").stdout


def test_a_stranger_and_a_wrong_token_are_told_so(line):
    said = line.refused("status", who="")
    assert "who are you?" in said
    assert "SEKISHO_TOKEN" in said
    line.tokens["nobody"] = "skp_wrong"
    said = line.refused("status", who="nobody")
    assert "the token is not known here" in said
    assert "sekisho token issue" in said


def test_an_unknown_request_or_image_names_what_there_is(line):
    assert "there is no request rnone" in line.refused("status", "rnone", who="ana")
    said = line.refused("request", "--image", "nosuch", who="ana")
    assert "there is no image definition 'nosuch'" in said
    assert "nosuch/image.yaml" in said
