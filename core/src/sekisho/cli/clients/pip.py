"""pip, and pip-tools, which reads pip's files."""

import configparser
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sekisho.cli.clients.door import Client, ConfigFile, Door, Finding, Place, plain, same_index, variables_of

_LEADS = ("index-url", "extra-index-url", "find-links")
_MORE = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")


def _own(place: Place) -> Path:
    return place.config / "pip" / "pip.conf"


def _files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    lines = [
        "[global]",
        f"index-url = {door.url}",
        "# an empty value takes away what a file of the machine says",
        "extra-index-url =",
        "find-links =",
        "disable-pip-version-check = true",
    ]
    if door.ca:
        lines.append(f"cert = {plain(door.ca)}")
    if door.plain:
        lines.append(f"trusted-host = {door.host}")
    return [ConfigFile(to or _own(place), "\n".join(lines) + "\n")]


def _needs(door: Door, place: Place, to: Path | None) -> dict[str, str]:  # noqa: ARG001 (as all clients' are)
    return {"PIP_CONFIG_FILE": str(to)} if to and to != _own(place) else {}


def variables(door: Door) -> dict[str, str]:
    """Return all settings as variables: pip ignores every file by ``PIP_CONFIG_FILE``, and variables that are empty."""
    found = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": door.url, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    found |= dict.fromkeys(_MORE, "")
    if door.ca:
        found["PIP_CERT"] = str(door.ca)
    if door.plain:
        found["PIP_TRUSTED_HOST"] = door.host
    return found


def _astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    wrong = {
        "PIP_INDEX_URL": lambda value: not same_index(value, door.url),
        **dict.fromkeys(_MORE, bool),
        "PIP_CERT": lambda value: door.ca is not None and value != str(door.ca),
    }
    found = variables_of(place, wrong)
    named, own = place.environment.get("PIP_CONFIG_FILE"), to or _own(place)
    if named == os.devnull:
        return [*found, Finding("PIP_CONFIG_FILE", f"pip reads no file while it is {named}", "unset PIP_CONFIG_FILE")]
    for path, weaker in _others(place, Path(named) if named else None, own):
        found += _in_file(path, door, weaker=weaker)
    return found


def files_read(place: Place, named: Path | None) -> list[Path]:
    """Return every file that pip reads, the weakest first; ``named`` is that of ``PIP_CONFIG_FILE``."""
    sites = [place.environment.get("VIRTUAL_ENV"), place.environment.get("CONDA_PREFIX"), sys.prefix]
    order = [*place.system("pip/pip.conf"), Path("/etc/pip.conf"), place.home / ".pip" / "pip.conf", _own(place)]
    order += [Path(folder) / "pip.conf" for folder in dict.fromkeys(filter(None, sites))]
    return [*order, named] if named else order


def _others(place: Place, named: Path | None, own: Path) -> Iterator[tuple[Path, bool]]:
    """Give every other file that pip reads, the weakest first, and whether ``own`` has the last word over it."""
    order = files_read(place, named)
    last = order.index(own) if own in order else len(order)  # one that --to names is going to be PIP_CONFIG_FILE
    return ((path, at < last) for at, path in enumerate(order) if path != own)


def _in_file(path: Path, door: Door, *, weaker: bool) -> Iterator[Finding]:
    """Give what a file says of other places. ``[global]`` of a weaker file does not count: ours takes it away."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(), source=str(path))
    except (OSError, ValueError, configparser.Error):
        return  # pip does not read it either, and says so
    for section in parser.sections():
        for name, value in parser.items(section):
            key = name.replace("_", "-").removeprefix("--")
            led = key in _LEADS and value and not (key == "index-url" and same_index(value, door.url))
            if led and not (weaker and section == "global"):
                yield Finding(f"{path}, [{section}]", f"{key} leads elsewhere", "remove the line")


PIP = Client(_files, _needs, _astray)
