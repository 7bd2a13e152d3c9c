"""What services write to standard error: plain lines for a person, or one JSON object a line for a collector.

And how foreign text is shown, here and by commands: a terminal must not obey it.
"""

import json
import logging
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered; every line that is written on its behalf carries it."""

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def printable(text: object) -> str:
    """Return foreign text as one line that a terminal shows and does not obey: controls become visible escapes.

    That covers line breaks, escape sequences (C0, C1), and what reorders or hides letters (Unicode format controls).
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in _UNPRINTABLE else letter
        for letter in said
    )


def block(text: object) -> str:
    """Return foreign text that may have several lines, the later ones indented so that none passes for one of ours."""
    return "\n    ".join(map(printable, str(text).split("\n")))


class JsonLines(logging.Formatter):
    """A record as one line of JSON: ``time level logger message``, the request's id, and what ``extra`` gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; no value, however hostile, can begin another one."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if known := request_id.get():
            line["request_id"] = known
        line |= {key: value for key, value in vars(record).items() if key not in _PLAIN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """A record as one line for a person, with control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback below it if there is one."""
        message = block(record.getMessage())
        extra = "".join(f" {key}={value!r}" for key, value in vars(record).items() if key not in _PLAIN)
        known = f" [{request_id.get()}]" if request_id.get() else ""
        line = f"{record.levelname.lower()}: {message}{extra}{known}"
        if not record.exc_info:
            return line
        return "\n".join([line, *map(printable, self.formatException(record.exc_info).split("\n"))])


def configure_logs(level: Level, form: Format) -> None:
    """Send the log of this process to standard error; call it once, before anything is served."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx2", "httpcore2", "dbos", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
