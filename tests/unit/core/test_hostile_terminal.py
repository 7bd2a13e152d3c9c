"""What others wrote cannot forge a line, colour a word or move a letter on somebody's terminal."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sekisho.cli.ask import follow
from sekisho.cli.described import describe
from sekisho.errors import ConflictError
from sekisho.logs import block, printable
from tests.command_line import run

EVIL = "fine\n  approved by anna\x1b[2J\x9b1m\u202eabc\u200b\u2028\r\x07\ud800"


def _is_harmless(text):
    return not any(
        ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or letter in "\u202e\u200b\u2028\ud800" for letter in text
    )


def test_foreign_text_becomes_one_harmless_line():
    assert _is_harmless(printable(EVIL))
    assert printable("a\nb\x1b[1m") == r"a\nb\x1b[1m"
    assert printable("ünï 関所") == "ünï 関所"


def test_later_lines_of_foreign_text_are_indented():
    assert block("no solution\nrequest r1: approved\n\x1b[1m") == "no solution\n    request r1: approved\n    \\x1b[1m"


def _status(**more):
    asked = {"requester": EVIL, "requirements": [EVIL], "workspace": EVIL}
    return {"id": EVIL, "seq": 1, "state": "waiting", "request": asked, "link": EVIL, "events": [], **more}


def test_every_foreign_word_of_a_status_is_harmless():
    status = _status(
        counts={"allow": 1},
        exceptions=[{"outcome": "deny", "purl": EVIL, "reasons": [{"rule": EVIL, "evidence": EVIL}]}],
        problem={"title": EVIL, "todo": EVIL},
        failed_stage=EVIL,
        approval={"approved_by": EVIL, "reason": EVIL},
        denied={"by": EVIL, "reason": EVIL},
        image={"registry": EVIL, "repository": EVIL, "manifest": EVIL},
        closure={"packages": 1, "digest": EVIL},
    )
    lines = describe(status).split("\n")
    assert all(map(_is_harmless, lines))
    assert "  approved by anna" not in lines


@pytest.fixture
def sekisho(portal_url):
    return lambda *arguments: run(*arguments, SEKISHO_PORTAL_URL=portal_url, SEKISHO_TOKEN="x")


def test_lists_answers_and_errors_are_harmless_too(portal, sekisho):
    portal.answers["/api/requests"] = [_status()]
    portal.answers["/api/why/six"] = {"lines": ["six is approved", f"  by {EVIL}"]}
    portal.answers["/api/requests/r9"] = (404, {"code": "not-found", "title": EVIL, "where": EVIL, "todo": EVIL})
    outputs = [sekisho("status").out, sekisho("why", "six").out, sekisho("status", "r9").err]
    assert all(_is_harmless(line) for output in outputs for line in output.split("\n"))
    assert not any(line == "  approved by anna" for output in outputs for line in output.split("\n"))


def test_a_file_that_cannot_be_read_is_one_line_with_its_path(tmp_path):
    data = tmp_path / "data"
    data.write_text("a file where a folder should be")
    done = run("token", "issue", "anna", "--role", "approver", SEKISHO_DATA=str(data))
    assert done.status == 1
    assert done.err.startswith("sekisho: ")
    assert str(data) in done.err
    assert done.err.count("\n") == 1


def test_it_is_json_where_json_was_asked_for(tmp_path):
    (tmp_path / "data").write_text("a file")
    done = run("token", "issue", "anna", "--role", "approver", "--json", SEKISHO_DATA=str(tmp_path / "data"))
    assert str(tmp_path / "data") in json.loads(done.out)["error"]["title"]


def test_a_termination_ends_like_ctrl_c(portal, portal_url):
    portal.answers["/api/requests/r1"] = _status(id="r1", state="resolving")
    command = [sys.executable, "-c", "from sekisho.cli import main; main(['status', 'r1', '--wait'])"]
    environment = {**os.environ, "SEKISHO_PORTAL_URL": portal_url, "SEKISHO_TOKEN": "x"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(300):
            if portal.asked:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped" in said


class Stuck:
    def status(self, _request, **_more):
        return _status(id="r1", state="resolving")


def test_waiting_that_takes_too_long_is_no_success():
    with pytest.raises(ConflictError, match="still resolving"):
        follow(Stuck(), "r1", limit=0)


@pytest.mark.parametrize("more", [["numpy"], ["--python", "3.11.2"]])
def test_an_image_is_asked_for_as_it_is_defined_or_not_at_all(portal, sekisho, more):
    done = sekisho("request", *more, "--image", "sklearn")
    assert done.status == 2
    assert portal.asked == []


def test_a_requirements_file_beside_an_image_is_wrong_usage(portal, sekisho, tmp_path):
    (tmp_path / "r.txt").write_text("numpy\n")
    assert sekisho("request", "-r", str(tmp_path / "r.txt"), "--image", "sklearn").status == 2


def test_approving_sends_the_closure_that_was_seen(portal, sekisho):
    portal.answers["/api/requests/r1"] = _status(closure={"digest": "ab" * 32, "packages": 1})
    portal.answers["/api/requests/r1/approve"] = _status()
    assert sekisho("approve", "r1", "--reason", "fine").status == 0
    assert portal.asked[-1][2]["closure"] == "ab" * 32
    assert sekisho("approve", "r1", "--reason", "fine", "--closure", "cd" * 32).status == 0
    assert portal.asked[-1][2]["closure"] == "cd" * 32
