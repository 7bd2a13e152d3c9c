"""What keys, tokens and clients' configuration look like, with few false alarms: shapes that chance does not make."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

_WINDOW = 1 << 20
_OVERLAP = 4096
"""Bytes of a piece that are looked at again with the next one; no shape is longer."""

_BODY = re.compile(rb"[A-Za-z0-9+/=]{40,}")
_LINE_ENDS = re.compile(rb"\\+r\\*n?|\\+n|\r\n?|\n")
_AROUND = b" \t\"',+()[]\\"
_TITLED = re.compile(rb"[A-Za-z-]{1,30}: ")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")

_SHAPES: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("a private key", b"PRIVATE KEY", _KEY),
    ("an AWS access key", b"AKIA", re.compile(rb"(?<![A-Za-z0-9])AKIA[A-Z2-7]{16}(?![A-Za-z0-9])")),
    ("an AWS access key", b"ASIA", re.compile(rb"(?<![A-Za-z0-9])ASIA[A-Z2-7]{16}(?![A-Za-z0-9])")),
    ("an Azure storage key", b"AccountKey=", re.compile(rb"AccountKey=[A-Za-z0-9+/]{86}==")),
    ("an Azure access signature", b"sig=", re.compile(rb"[?&;]sig=[A-Za-z0-9%+/]{43,60}(?:%3[Dd]|=)(?![A-Za-z0-9])")),
    ("an Azure client secret", b"8Q~", re.compile(rb"(?<![\w~.-])[\w~.-]{3}[78]Q~[\w~.-]{31,34}(?![\w~.-])")),
    ("a GitHub token", b"ghp_", re.compile(rb"(?<!\w)ghp_[A-Za-z0-9]{36}(?!\w)")),
    ("a GitHub token", b"gho_", re.compile(rb"(?<!\w)gho_[A-Za-z0-9]{36}(?!\w)")),
    ("a GitHub token", b"ghs_", re.compile(rb"(?<!\w)ghs_[A-Za-z0-9]{36}(?!\w)")),
    ("a GitHub token", b"github_pat_", re.compile(rb"(?<!\w)github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?!\w)")),
    ("a GitLab token", b"glpat-", re.compile(rb"(?<![\w-])glpat-[\w-]{20}(?![\w-])")),
    ("a Hugging Face token", b"hf_", re.compile(rb"(?<!\w)hf_[A-Za-z]{34}(?!\w)")),
    ("an upload token", b"pypi-AgE", re.compile(rb"(?<![\w-])pypi-AgE[\w-]{80,}")),
    ("a token of this portal", b"skp_", re.compile(rb"(?<!\w)skp_[\w-]{43}(?![\w-])")),
)
"""Name, what every such secret holds, and the whole shape. The second is quick to look for, so that few need the third.

Shapes are those that issuers document: GitHub and GitLab prefix their tokens for this very purpose.
"""

_CONFIGURATION: tuple[tuple[str, str], ...] = (
    ("pip's configuration", "pip.conf"),
    ("pip's configuration", "pip.ini"),
    ("a login file", ".netrc"),
    ("a login file", "_netrc"),
    ("an upload login", ".pypirc"),
    ("conda's configuration", ".condarc"),
    ("conda's configuration", "condarc"),
    ("uv's configuration", "uv.toml"),
    ("npm's configuration", ".npmrc"),
    ("git's logins", ".git-credentials"),
    ("an SSH key", "id_rsa"),
    ("an SSH key", "id_ecdsa"),
    ("an SSH key", "id_ed25519"),
)
_PLACES: tuple[tuple[str, str], ...] = (
    ("a registry login", "*.docker/config.json"),
    ("AWS logins", "*.aws/credentials"),
    ("Azure logins", "*.azure/*token*"),
    ("Azure logins", "*.azure/azureProfile.json"),
    ("uv's logins", "*uv/credentials/*"),
    ("a Hugging Face token", "*huggingface/token"),
    ("a Hugging Face token", "*.huggingface/token"),
    ("apt's logins", "etc/apt/auth.conf*"),
)
_VARIABLE = re.compile(
    r"(?:.*_)?(?:TOKEN|PASSWORD|PASSWD|SECRET|SECRET_KEY|ACCESS_KEY|ACCOUNT_KEY|API_KEY|APIKEY|PRIVATE_KEY"
    r"|CREDENTIALS|CONNECTION_STRING|SAS)"
)
_INSTALLERS_OWN = re.compile(
    r"(?:PIP|UV|CONDA)_(?:.*(?:INDEX|URL|CONFIG|CERT|HOST|PROXY|CHANNEL|LINKS|KEYRING).*)|NETRC"
)
_SET = re.compile(r"(?<![\w-])([A-Z][A-Z0-9_]{2,60})=[\"']?([^\s\"';&|]+)")
_CONFIGURES = re.compile(r"\b(?:pip3?|conda) +config +(?:set|--set|--add|--append)\b")
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/@:'\"]{0,200}:[^\s/@'\"]{1,200}@", re.IGNORECASE)


class Watch:
    """Looks at one file, piece by piece."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._seen: dict[str, None] = {}

    def see(self, piece: bytes) -> None:
        """Take the next piece."""
        self._held += piece
        if len(self._held) >= _WINDOW:
            self._look()
            del self._held[:-_OVERLAP]

    def seen(self) -> tuple[str, ...]:
        """Return the names of the shapes that were seen, once the whole file was."""
        if self._held:
            self._look()
        return tuple(self._seen)

    def _look(self) -> None:
        for shape in shapes(bytes(self._held)):
            self._seen[shape] = None


def shapes(data: bytes) -> Iterator[str]:
    """Yield the names of the secrets that ``data`` seems to hold."""
    for name, needle, pattern in _SHAPES:
        if needle not in data:
            continue
        if pattern is _KEY:
            found = any(_has_body(data, match.end()) for match in pattern.finditer(data))
        else:
            found = any(b"EXAMPLE" not in match[0] for match in pattern.finditer(data))
        if found:
            yield name


def _has_body(data: bytes, start: int) -> bool:
    """Tell whether a key follows its first line: the line alone is in every library that reads keys.

    Quotes and written-out line ends, as in JSON and source code, are looked through, and so are a key's own headers.
    """
    for line in _LINE_ENDS.split(data[start : start + 2000]):
        bare = line.strip(_AROUND)
        if bare and not _TITLED.match(bare):
            return _BODY.match(bare) is not None
    return False


def configuration(path: str) -> str | None:
    """Return what a file of this path configures or logs in to, if it is one that no image should have."""
    name = path.rpartition("/")[2]
    for what, one in _CONFIGURATION:
        if name == one:
            return what
    return next((what for what, place in _PLACES if fnmatchcase(path, place)), None)


def in_text(text: str) -> Iterator[str]:
    """Yield the names of what a line of history, a label or a value seems to hold."""
    yield from shapes(text.encode("utf-8", "surrogateescape"))
    if _LOGIN.search(text):
        yield "a login in an address"


def in_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (variable, what it seems to hold)."""
    for name, value in environment.items():
        yield from ((name, what) for what in in_text(value))
        if value and _INSTALLERS_OWN.fullmatch(name.upper()):
            yield name, "an installer's configuration"
        elif value and _VARIABLE.fullmatch(name.upper()):
            yield name, "a secret, by its name"


def in_history(text: str) -> Iterator[str]:
    """Yield what a line of history seems to hold; build arguments and settings are in it as ``NAME=value``."""
    yield from in_text(text)
    for name, value in _SET.findall(text):
        if not value.startswith("$"):
            yield from (found for _, found in in_environment({name: value}) if found not in set(in_text(text)))
    if _CONFIGURES.search(text):
        yield "an installer's configuration"
