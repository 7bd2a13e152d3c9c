"""Gate ``start-up``: nothing that runs when the image starts would install anything."""

import re
from collections.abc import Iterator

from sekisho_builder.assemble.activation import SHELL_SCRIPTS, STATED
from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.contents import Contents
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject

_SWITCH = "DYNAMIC_DEP_INSTALLATION"
"""Images of Azure ML for MLflow update conda when they start, unless this variable is ``false``."""

_PLACES = re.compile(
    r"(?:var/runit|etc/runit|etc/service|etc/sv|service)/(?:.*/)?(?:run|finish|\d|[^/]+\.sh)"
    r"|etc/(?:profile|bash\.bashrc|environment)|etc/profile\.d/[^/]+\.sh"
    r"|(?:root|home/[^/]+)/\.(?:profile|bashrc|bash_profile)"
    r"|(?:.*/)?site-packages/(?:[^/]+\.pth|(?:site|user)customize\.py)"
    r"|(?:.*/)?dist-packages/(?:[^/]+\.pth|(?:site|user)customize\.py)"
    r"|(?:.*/)?etc/conda/activate\.d/[^/]+"
)
_STATED = re.compile(rf"(?:.*/)?{re.escape(STATED)}/[^/]+\.json")
_ACTIVATING = re.compile(rf"(?:.*/)?{re.escape(SHELL_SCRIPTS)}/[^/]+")
_INSTALLS = re.compile(
    r"(?<![\w.-])(?:"
    r"(?:pip[\d.]*|pipx|poetry|pipenv|pdm|aptitude|apt-get|apt|apk|dnf|yum|microdnf|npm)"
    r"(?: +-[^ ]+){0,6} +(?:install|upgrade|update|add|sync|download|ci)"
    r"|(?:conda|mamba|micromamba)(?: +-[^ ]+){0,6} +(?:install|create|update|upgrade|env)"
    r"|uv(?: +-[^ ]+){0,6} +(?:pip|sync|run|add|tool|python)"
    r"|easy_install|ensurepip"
    r")(?![\w-])|pip\._internal|pip\.main\b"
)
_AROUND = re.compile(r"[\"'`,\[\]()\t]+")
_LINK = re.compile(r"/?(?:[\w.+@-]+/)*[\w.+@-]+")
_DEEP = 8
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def start_up(subject: Subject) -> Answer:
    """Read entry point, command and health check, the scripts that they name, and those that start by their place.

    These are runit's services, profiles of shells, and what Python runs when it starts. A script may install if it
    first asks ``DYNAMIC_DEP_INSTALLATION``, and the image sets that to ``false``.
    """
    build = subject.build
    config = build.layout.config.get("config") or {}
    environment = dict(str(row).partition("=")[::2] for row in config.get("Env") or ())
    off = environment.get(_SWITCH, "").lower() == "false"
    objections, asked, read = [], [], 0
    for what, text in _texts(build, config, environment):
        read += 1
        found = next(installing(text), None)
        if found is None:
            continue
        says = f"{what} would run `{found}`"
        if _SWITCH in text and off:
            asked.append(f"{says}, unless {_SWITCH} is false, which it is")
        elif _SWITCH in text:
            objections.append(Objection(what, f"{says}: set {_SWITCH} to false in `environment`", acceptable=False))
        else:
            objections.append(Objection(what, says))
    if environment.get(_SWITCH, "false").lower() != "false":
        objections.append(Objection(f"environment {_SWITCH}", f"{_SWITCH} is not false", acceptable=False))
    seen = (f"{read} commands and scripts read", *asked, *_activation(build.contents))
    return settle(subject.definition, "start-up", objections, *seen)


def installing(text: str) -> Iterator[str]:
    """Yield what in a script, a command or a line of Python calls an installer; comments are left out."""
    for line in text.splitlines():
        bare = " ".join(_AROUND.sub(" ", line[:4000]).split())
        if not bare.startswith("#"):
            yield from (found[0] for found in _INSTALLS.finditer(bare))


def _activation(contents: Contents) -> Iterator[str]:
    """Yield what activating a conda environment would set, and what it would run that nothing runs here."""
    stated = [f"/{path}" for path, _ in contents.texts(_STATED)]
    if stated:
        yield f"variables of packages are the image's: {', '.join(stated)}"
    scripts = [f"/{path}" for path, _ in contents.texts(_ACTIVATING)]
    if scripts:
        yield f"no process of the image runs {', '.join(scripts)}; what they set is for `environment` to say"


def _texts(build: Made, config: dict[str, object], environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of all that starts: commands, scripts by their place, and the scripts that these name."""
    contents = build.contents
    search = [*environment.get("PATH", _SEARCH).split(":"), str(config.get("WorkingDir") or "/")]
    left: list[tuple[str, str, int]] = []
    for key in ("Entrypoint", "Cmd", "Healthcheck"):
        text = _words(config.get(key))
        if text:
            left.append((key.lower(), text, 0))
    left += [(f"/{path}", text.decode(errors="replace"), 0) for path, text in contents.texts(_PLACES)]
    seen = {name for name, _, _ in left}
    while left:
        name, text, deep = left.pop()
        yield name, text
        for path in _named(text, contents, search) if deep < _DEEP else ():
            found = contents.text(path)
            if path not in seen and found is not None and (found.startswith(b"#!") or path.endswith((".sh", ".bash"))):
                seen.add(f"/{path}")
                seen.add(path)
                left.append((f"/{path}", found.decode(errors="replace"), deep + 1))


def _words(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("Test")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _named(text: str, contents: Contents, search: list[str]) -> Iterator[str]:
    """Yield the paths of the files that a text names, by path or as a program."""
    for word in set(_LINK.findall(text[: 1 << 18])):
        if word.startswith("/"):
            yield contents.real(word)
        else:
            yield from (real for folder in search if (real := contents.real(f"{folder}/{word}")) in contents.seen)
