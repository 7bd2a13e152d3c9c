"""A root file system from Debian packages, bit for bit the same whenever the versions are the same."""

import os
import shlex
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from sekisho.errors import MissingToolError, UpstreamError
from sekisho_builder.base.recipe import Recipe, Versions, parse_status
from sekisho_builder.programs import Programs, Run

_TIMEOUT = 1800
_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
_PREFERENCES = "etc/apt/preferences.d/sekisho"
_SIDE_FILES = (
    "etc/.pwd.lock",
    "etc/apt/sources.list",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/group-",
    "etc/gshadow-",
    "etc/hostname",
    "etc/machine-id",
    "etc/passwd-",
    "etc/resolv.conf",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "var/cache/apt",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/lib/apt",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    _PREFERENCES,
)
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "TMPDIR")


def build_root(
    recipe: Recipe,
    versions: Versions,
    mirror: str | None,
    target: Path,
    find: Callable[[str], str | None] = shutil.which,
    run: Run | None = None,
) -> Versions:
    """Write the root as a tar to ``target`` and return the versions that are really in it.

    Every version of ``versions`` that the mirror still has is taken; for one that it has dropped, apt takes the
    newest. ``find`` looks for a program, ``run`` runs it.

    Raises ``MissingToolError`` without mmdebstrap or without root, ``UpstreamError`` if it fails.
    """
    if find("mmdebstrap") is None:
        raise MissingToolError("mmdebstrap is not installed", todo="install Debian's package mmdebstrap")
    if os.geteuid() != 0:
        raise MissingToolError("building a base image needs root", todo="run this as root, or name a base by digest")
    preferences = target.with_suffix(".preferences")
    preferences.write_text(_preferences(recipe, versions))
    _bootstrap(_command(recipe, mirror, preferences, target), recipe, run or Programs().run)
    with tarfile.open(target) as archive:
        status = archive.extractfile("./var/lib/dpkg/status")
        return parse_status(status.read().decode() if status else "")


def _preferences(recipe: Recipe, versions: Versions) -> str:
    """Return apt preferences: a pin above 1000 even downgrades (apt_preferences(5)); one that finds nothing is mute."""
    rows = [f"Package: {name}\nPin: release *\nPin-Priority: -1\n" for name in recipe.never]
    rows += [f"Package: {n}\nPin: version {v}\nPin-Priority: 1001\n" for n, v in sorted(versions.by_name.items())]
    return "\n".join(rows)


def _command(recipe: Recipe, mirror: str | None, preferences: Path, target: Path) -> list[str]:
    user = recipe.user
    owner = f"{user.uid}:{user.uid}"
    hooks = [
        f'cd "$1" && rm -rf {" ".join(_SIDE_FILES)}',
        'find "$1/var/log" "$1/run" "$1/tmp" -mindepth 1 -not -path "$1/run/lock" -delete',
        f'echo "{user.name}:x:{user.uid}:{user.uid}::{user.home}:/bin/sh" >> "$1/etc/passwd"',
        f'echo "{user.name}:x:{user.uid}:" >> "$1/etc/group"',
        f'mkdir -p "$1{user.home}" && chown {owner} "$1{user.home}" && chmod 755 "$1{user.home}"',
        'find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +',  # nobody becomes another user in a container
    ]
    command = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", "--skip=output/dev"]
    command += [f"--include={','.join(recipe.packages)}", f"--hook-dir={_HOOKS}"]
    command += [f"--dpkgopt=path-exclude={glob}" for glob in recipe.drop]
    command += [f"--dpkgopt=path-include={glob}" for glob in recipe.keep]
    command += [f'--setup-hook=install -D -m 644 {shlex.quote(str(preferences.absolute()))} "$1/{_PREFERENCES}"']
    command += [f"--customize-hook={hook}" for hook in hooks]
    return [*command, recipe.suite, str(target), *([mirror] if mirror else [])]


def _bootstrap(command: list[str], recipe: Recipe, run: Run) -> None:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(recipe.source_date_epoch),
    }
    said = run(command, environment=environment, timeout=_TIMEOUT, mixed=True)
    if said.status:
        lines = said.output.splitlines()
        errors = [line for line in lines if line.startswith(("E:", "W:"))] or lines
        raise UpstreamError(
            f"mmdebstrap failed: {' '.join(errors[-3:])[:1000]}",
            where="the Debian mirror",
            todo="see that the mirror is reachable, or set SEKISHO_DEBIAN_MIRROR",
        )
