"""Lines for a person and for a collector."""

import json
import logging

import pytest

from sekisho.logs import JsonLines, TextLines, configure_logs, request_id


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    root.handlers[:] = kept
    root.setLevel(level)


def test_a_line_is_one_object_and_carries_the_request(capsys):
    configure_logs("info", "json")
    token = request_id.set("abc-1")
    try:
        logging.getLogger("sekisho.x").info("hello\n%s", "wor\rld", extra={"status": 200})
    finally:
        request_id.reset(token)
    logging.getLogger("sekisho.x").debug("not this")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    said = json.loads(lines[0])
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "logger": "sekisho.x",
        "message": "hello\nwor\rld",
        "request_id": "abc-1",
        "status": 200,
    }


def test_an_exception_is_told_in_both_forms():
    error = ValueError("odd")
    record = logging.LogRecord("sekisho", logging.ERROR, "", 0, "went wrong", (), (ValueError, error, None))
    assert "ValueError: odd" in json.loads(JsonLines().format(record))["exception"]
    assert TextLines().format(record) == "error: went wrong\nValueError: odd"


def test_text_cannot_begin_a_line_of_its_own():
    record = logging.LogRecord("sekisho", logging.WARNING, "", 0, "a\rb\nc", (), None)
    assert TextLines().format(record) == "warning: a\\rb\n    c"


def test_no_terminal_obeys_a_line():
    hostile = "\x1b[2J\x9b31m\x07\u202e\u2028\x85 ok"
    error = ValueError(hostile)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "GET /%s", (hostile,), (ValueError, error, None))
    said = TextLines().format(record)
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert said.startswith(r"error: GET /\x1b[2J\x9b31m\x07\u202e\u2028\x85 ok")


def test_other_peoples_requests_are_not_in_our_log(capsys):
    configure_logs("info", "text")
    logging.getLogger("httpx2").info("GET somewhere")
    assert capsys.readouterr().err == ""
