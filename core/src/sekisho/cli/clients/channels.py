"""conda, mamba and pixi: clients that ask channels."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sekisho.cli.clients.door import (
    Client,
    ConfigFile,
    Door,
    Finding,
    Mirror,
    Place,
    inside,
    plain,
    quoted,
    read_toml,
    same_index,
    variables_of,
)
from sekisho.errors import BadInputError

_REMOVE = "remove it"
_LEADS = ("channels", "channel_alias", "default_channels", "mirrored_channels", "custom_channels")
_LEADS_TOO = ("custom_multichannels", "migrated_custom_channels", "channel_settings", "channel", "envs_channels")
_RC = (".condarc", "condarc", "condarc.d/*.y*ml")


# conda and mamba: files of the machine, the user and the environment, whose lists all count together.


def _base(door: Door) -> str:
    return door.url.removesuffix("/pypi/simple/") + "/conda"


def _url(door: Door, mirror: Mirror) -> str:
    return f"{_base(door)}/{mirror.channel}"


def _mirrors(door: Door) -> tuple[Mirror, ...]:
    if not door.mirrors:
        raise BadInputError(
            "nothing says which channels to ask",
            where="--channel",
            todo="name each as sources.yaml does, in order: --channel NAME",
        )
    return door.mirrors


def _rc(door: Door) -> dict[str, Any]:
    """Return what a ``.condarc`` has to say: names stand for our channels, in whatever way they are looked up.

    libmamba looks a name up in ``mirrored_channels`` first, conda in ``channel_alias`` alone.
    """
    mirrors = _mirrors(door)
    urls = [_url(door, mirror) for mirror in mirrors]
    found: dict[str, Any] = {
        "channels": [mirror.channel for mirror in mirrors],
        "channel_alias": _base(door),
        "default_channels": urls,
        "mirrored_channels": {mirror.channel: [url] for mirror, url in zip(mirrors, urls, strict=True)},
        "custom_channels": {"pkgs/pro": _base(door)},
        "allowlist_channels": urls,
        "notify_outdated_conda": False,
        "auto_update_conda": False,
        "report_errors": False,
        "add_anaconda_token": False,
    }
    if door.ca:
        found["ssl_verify"] = plain(door.ca)
    return found


def _own(place: Place) -> Path:
    return place.home / ".condarc"


def _conda_files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    lines = [f"{key}: {json.dumps(value)}" for key, value in _rc(door).items()]
    return [ConfigFile(to or _own(place), "\n".join(lines) + "\n")]


def _conda_needs(door: Door, place: Place, to: Path | None) -> dict[str, str]:  # noqa: ARG001 (as all clients' are)
    return {"CONDARC": str(to)} if to and to != _own(place) else {}


def _rc_files(place: Place) -> Iterator[Path]:
    """Yield every other file that conda or mamba reads."""
    roots = [place.environment.get(name) for name in ("CONDA_ROOT", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX")]
    folders = [Path("/etc/conda"), Path("/var/lib/conda"), Path("/opt/conda")]
    folders += [place.config / "conda", place.home / ".config" / "conda", place.home / ".conda"]
    for folder in dict.fromkeys([*folders, *(Path(root) for root in roots if root)]):
        for pattern in _RC:
            yield from sorted(folder.glob(pattern))
        yield from (folder / name for name in (".mambarc", "mambarc"))
    yield from (place.home / name for name in (".condarc", ".mambarc", ".config/mamba/mambarc"))
    yield from (Path(named) for name in ("CONDARC", "MAMBARC") if (named := place.environment.get(name)))


def _conda_astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    wanted = _rc(door)
    names = [f"{tool}_{key.upper()}" for tool in ("CONDA", "MAMBA") for key in (*_LEADS, *_LEADS_TOO)]
    verify = {f"{tool}_SSL_VERIFY": lambda value: value != wanted.get("ssl_verify") for tool in ("CONDA", "MAMBA")}
    found = variables_of(place, {**dict.fromkeys(names, bool), **verify})
    if place.environment.get("CONDA_NO_RC") or place.environment.get("MAMBA_NO_RC"):
        found.append(Finding("CONDA_NO_RC", "no file is read while it is set", "unset CONDA_NO_RC MAMBA_NO_RC"))
    own = to or _own(place)
    for path in dict.fromkeys(_rc_files(place)):
        if path != own:
            found += _in_rc(path, wanted)
    return found


def _in_rc(path: Path, wanted: dict[str, Any]) -> Iterator[Finding]:
    try:
        said = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return  # neither of them reads it either, and says so
    if not isinstance(said, dict):
        return
    for key in (*_LEADS, *_LEADS_TOO):
        if said.get(key) and said[key] != wanted.get(key):
            yield Finding(str(path), f"{key} leads elsewhere", _REMOVE)
    if said.get("ssl_verify", True) not in {True, wanted.get("ssl_verify")}:
        yield Finding(str(path), "ssl_verify trusts somebody else", _REMOVE)


CONDA = Client(_conda_files, _conda_needs, _conda_astray)


# pixi: names stand for addresses that it has built in, so each is mirrored.


def _pixi_own(place: Place) -> Path:
    return place.config / "pixi" / "config.toml"


def _pixi_files(door: Door, place: Place, to: Path | None) -> list[ConfigFile]:
    mirrors = _mirrors(door)
    if missing := [mirror.channel for mirror in mirrors if not mirror.address]:
        raise BadInputError(
            f"pixi has to be told which address {missing[0]} stands for",
            where="--channel",
            todo=f"write --channel {missing[0]}=ADDRESS, where projects know that channel from",
        )
    urls = ", ".join(quoted(_url(door, mirror)) for mirror in mirrors)
    lines = [f"default-channels = [{urls}]", "tls-no-verify = false"]
    if door.ca:
        lines += ["# the file that SSL_CERT_FILE names", 'tls-root-certs = "native"']
    lines += ["", "[mirrors]"]
    lines += [f"{quoted(mirror.address)} = [{quoted(_url(door, mirror))}]" for mirror in mirrors]
    lines += ["", "[pypi-config]", f"index-url = {quoted(door.url)}", "extra-index-urls = []"]
    return [ConfigFile(to or _pixi_own(place), "\n".join(lines) + "\n")]


def _pixi_needs(door: Door, place: Place, to: Path | None) -> dict[str, str]:
    found = {"SSL_CERT_FILE": str(door.ca)} if door.ca else {}
    if to and to != _pixi_own(place):
        if to.name != "config.toml":
            raise BadInputError(f"pixi reads no {to.name}", where=str(to), todo="name a file config.toml with --to")
        found["PIXI_HOME"] = str(to.parent)
    return found


def _pixi_astray(door: Door, place: Place, to: Path | None) -> list[Finding]:
    found = variables_of(place, dict.fromkeys(("PIXI_NO_CONFIG", "RATTLER_NO_CONFIG"), bool))
    homes = [place.home / ".pixi", *(Path(named) for named in [place.environment.get("PIXI_HOME")] if named)]
    files = [Path("/etc/pixi/config.toml"), _pixi_own(place), *(home / "config.toml" for home in homes)]
    files += [folder / ".pixi" / "config.toml" for folder in place.above()]
    ours = {_url(door, mirror) for mirror in _mirrors(door)}
    own = to or _pixi_own(place)
    for path in dict.fromkeys(files):
        if path != own:
            found += _in_pixi(path, door, ours)
    return found


def _in_pixi(path: Path, door: Door, ours: set[str]) -> Iterator[Finding]:
    said = read_toml(path)
    mirrors = inside(said, "mirrors")
    rows = [said.get("default-channels"), *(mirrors.values() if isinstance(mirrors, dict) else ())]
    index, more = inside(said, "pypi-config", "index-url"), inside(said, "pypi-config", "extra-index-urls")
    if any(row and not (isinstance(row, list) and set(map(str, row)) <= ours) for row in rows):
        yield Finding(str(path), "its channels or mirrors lead elsewhere", _REMOVE)
    if more or (index and not same_index(index, door.url)):
        yield Finding(str(path), "pypi-config leads elsewhere", _REMOVE)
    if said.get("tls-no-verify"):
        yield Finding(str(path), "tls-no-verify trusts anybody", _REMOVE)


PIXI = Client(_pixi_files, _pixi_needs, _pixi_astray)


def variables(door: Door) -> dict[str, str]:
    """Return conda's settings as variables, which count more than any file; nothing where no channel was named."""
    if not door.mirrors:
        return {}
    said = _rc(door)
    found = {f"CONDA_{key.upper()}": str(said[key]) for key in ("channel_alias", "ssl_verify") if key in said}
    found |= {f"CONDA_{key.upper()}": ",".join(said[key]) for key in ("channels", "default_channels")}
    return {"CONDARC": os.devnull, **found}
