"""What activating a conda environment sets, as far as an image can say it: variables, never what a shell would run.

Packages state variables in ``etc/conda/env_vars.d/*.json``, which clients read in the order of the names when they
activate an environment. An image is always activated, so they are among its variables.
"""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sekisho.errors import BadInputError
from sekisho_builder.assemble.layer import BuiltLayer

STATED = "etc/conda/env_vars.d"
SHELL_SCRIPTS = "etc/conda/activate.d"
_LARGEST = 1 << 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_OURS = re.compile(
    r"PATH|SEKISHO_IMAGE|VIRTUAL_ENV|ENV|BASH_ENV|PYTHON(HOME|PATH|STARTUP)|CONDARC|(LD|PIP|UV|CONDA|MAMBA)_.*"
    r"|[A-Za-z]+_(PROXY|proxy)"
)
"""What an image is in, what code every process of it starts with, and where its clients ask: no package says that."""


def entered(prefix: str) -> Mapping[str, str]:
    """Return what ``conda activate PREFIX`` says of the environment that a process is in."""
    return {"CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": prefix, "CONDA_SHLVL": "1"}


def stated_variables(
    prefix: str, layers: Iterable[tuple[Path, BuiltLayer]], said: Mapping[str, str]
) -> Mapping[str, str]:
    """Return what files of a conda environment's packages set, the last by name counting.

    ``layers`` are files and what lies in them; ``said`` are the definition's own variables, which come before these.
    Raises ``BadInputError`` for a file that is no list of variables, or that sets what the image itself does.
    """
    folder = f"{prefix.strip('/')}/{STATED}/"
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for file, layer in layers:
        owners = {
            owned.path: owned.project
            for owned in layer.owned
            if owned.path.startswith(folder) and owned.path.endswith(".json")
        }
        for path, data in _read(file, owners):
            found[path] = owners[path], _variables(data, where=f"{owners[path]}: /{path}")
    variables: dict[str, str] = {}
    for path, (owner, some) in sorted(found.items()):
        taken = sorted(name for name in some.keys() - said.keys() if _OURS.fullmatch(name))
        if taken:
            raise BadInputError(
                f"a package sets {taken[0]}, which is the image's own",
                where=f"{owner}: /{path}",
                todo=f"leave the package out, or say {taken[0]} in `environment`",
            )
        variables |= some
    return variables


def _read(file: Path, paths: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    if not paths:
        return
    with tarfile.open(file, "r:gz") as archive:
        for info in archive:
            if info.name not in paths:
                continue
            where = f"{paths[info.name]}: /{info.name}"
            content = archive.extractfile(info) if info.isfile() else None
            if content is None or info.size > _LARGEST:
                raise _odd("it is no plain file, or a very large one", where)
            yield info.name, content.read()


def _variables(data: bytes, where: str) -> Mapping[str, str]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _odd("it is not JSON", where) from error
    if not isinstance(value, dict):
        raise _odd("it is no object", where)
    for name, text in value.items():
        if not _NAME.fullmatch(name):
            raise _odd(f"{name[:80]!r} is no name of a variable", where)
        if not isinstance(text, str) or _NO_TEXT.search(text):
            raise _odd(f"{name} is not set to a text", where)
    return value


def _odd(what: str, where: str) -> BadInputError:
    return BadInputError(
        f"a package's list of variables cannot be read: {what}",
        where=where,
        todo="leave the package out, or take another",
    )
