"""Ways to write one address, most of which mean another one, or nothing."""

import unicodedata
from collections.abc import Callable
from urllib.parse import quote, unquote


def target(path: str) -> str:
    """Return the request target of a path as a careful client writes it."""
    return quote(path, safe="/@:+~!$&'()*,=")


def _percent(text: str) -> str:
    return "".join(char if char == "/" else f"%{ord(char):02X}" for char in unquote_latin(text))


def unquote_latin(text: str) -> str:
    return unquote(text, encoding="latin-1")


def _again(form: str) -> Callable[[str], str]:
    return lambda text: target(unicodedata.normalize(form, unquote(text)))


def _behind_door(text: str, inserted: str) -> str:
    head, found, rest = text.partition("/pypi/")
    return f"{head}{inserted}{found[1:]}{rest}" if found else f"{text}{inserted}"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "percent": _percent,
    "percent-lower": lambda text: _percent(text).lower() if "%" not in text else text.replace("%2B", "%2b"),
    "slashes-encoded": lambda text: "/" + text[1:].replace("/", "%2F"),
    "last-slash-encoded": lambda text: "%2F".join(text.rsplit("/", 1)),
    "double": lambda text: quote(text, safe="/"),
    "triple": lambda text: quote(quote(text, safe="/"), safe="/"),
    "dot": lambda text: _behind_door(text, "/./"),
    "up": lambda text: _behind_door(text, "/x/../"),
    "encoded-up": lambda text: _behind_door(text, "/x/%2e%2e/"),
    "overlong-up": lambda text: _behind_door(text, "/x/%c0%ae%c0%ae/"),
    "other-door": lambda text: f"/w/team-b/../..{text}",
    "out-of-candidates": lambda text: f"/candidates/outside/../..{text}",
    "into-candidates": lambda text: _behind_door(text, "/../../candidates/"),
    "into-quarantine": lambda text: _behind_door(text, "/../../quarantine/"),
    "two-slashes": lambda text: _behind_door(text, "//"),
    "leading-slashes": lambda text: f"//{text}",
    "no-slash": lambda text: text.rstrip("/"),
    "trailing-slash": lambda text: f"{text}/",
    "trailing-dot": lambda text: f"{text}.",
    "params": lambda text: f"{text};v=1",
    "params-inside": lambda text: _behind_door(text, ";jsessionid=1/"),
    "query": lambda text: f"{text}?x=1",
    "query-up": lambda text: f"{text}?/../../team-b/",
    "question-encoded": lambda text: f"{text}%3Fx=1",
    "fragment": lambda text: f"{text}#sha256=0",
    "fragment-encoded": lambda text: f"{text}%23sha256",
    "upper": lambda text: text.upper(),
    "title": lambda text: "/".join(part.title() for part in text.split("/")),
    "composed": _again("NFC"),
    "decomposed": _again("NFD"),
    "compatible": lambda text: target(unquote(text).replace("a", "\uff41")),
    "plus-encoded": lambda text: text.replace("+", "%2B"),
    "plus-space": lambda text: text.replace("+", "%20"),
    "space-plus": lambda text: text.replace("%20", "+"),
    "nul": lambda text: f"{text}%00",
    "nul-inside": lambda text: f"{text}%00.whl",
    "crlf": lambda text: f"{text}%0d%0aX-Injected:%201",
    "backslash": lambda text: text.replace("/pypi/", "%5Cpypi/"),
    "absolute": lambda text: f"http://door.test{text}",
    "absolute-elsewhere": lambda text: f"http://outside.test{text}",
    "absolute-user": lambda text: f"http://user:secret@door.test{text}",
    "metadata": lambda text: f"{text}.metadata",
    "metadata-upper": lambda text: f"{text}.METADATA",
    "metadata-encoded": lambda text: f"{text}%2Emetadata",
    "metadata-twice": lambda text: f"{text}.metadata.metadata",
    "provenance": lambda text: f"{text}.provenance",
    "signature": lambda text: f"{text}.asc",
}
