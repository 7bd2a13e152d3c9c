"""The command line: one answer on standard output, as JSON where conda gives JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import rattler

from sekisho.bare import bare
from sekisho.errors import BadInputError, SekishoError
from sekisho.model import spec_name
from sekisho_builder.conda_command.arguments import Asked, caches_of, read_arguments
from sekisho_builder.conda_command.installing import install
from sekisho_builder.conda_command.solving import records_of, row_of, solve

_SPEAKS_LIKE = "conda 26.7.0"
"""What conda-lock, and others that ask for a version, take this for."""


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Answer one call and end; the status is 1 where the answer says what is wrong."""
    words = sys.argv[1:] if words is None else words
    if list(words) == ["--version"]:
        _say(_SPEAKS_LIKE, 0)
    try:
        asked = read_arguments(words, os.environ)
        if asked.command == "run":
            _become(asked)
        answer: Mapping[str, Any] | Sequence[Any] = _answer(asked)
    except SekishoError as error:
        _refuse(error)
    except OSError as error:
        _refuse(SekishoError(f"{error.strerror or error}: {bare(error.filename or '')}".removesuffix(": ")))
    except Exception as error:  # noqa: BLE001 (a program reads the answer, and to it a traceback is none)
        _refuse(SekishoError(f"sekisho-conda failed: {type(error).__name__}: {bare(error)[:500]}"))
    _say(json.dumps(answer), 0)


def _refuse(error: SekishoError) -> NoReturn:
    said = {"success": False, "error": error.code, "message": str(error), "what": error.what, "todo": error.todo}
    _say(json.dumps(said), 1)


def _answer(asked: Asked) -> Mapping[str, Any] | Sequence[Any]:
    caches = str(caches_of(asked))
    if asked.command in {"info", "config"}:
        return {"pkgs_dirs": [caches], "platform": asked.subdir, "conda_version": _SPEAKS_LIKE.split()[1]}
    if asked.command == "list":
        return [row_of(record) for record in records_of(asked.prefix_or_raise())]
    if asked.command == "create" and asked.file is not None:
        return {"success": True, "packages": asyncio.run(install(asked, asked.file))}
    if asked.command in {"create", "install", "update"} and asked.dry_run:
        return _plan(asked)
    raise BadInputError(
        f"sekisho-conda cannot do {asked.command or 'nothing'}", todo="use conda, mamba or pixi for everything else"
    )


def _plan(asked: Asked) -> Mapping[str, Any]:
    """Return what would be fetched; of what is installed already, only what changes."""
    fresh = asked.command == "create"
    held = {} if fresh else {record.name.normalized: record for record in records_of(asked.prefix_or_raise())}
    names = {spec_name(spec) for spec in asked.rest}
    kept = [record for name, record in held.items() if name not in names]
    wanted = asked._replace(rest=(*asked.rest, *(f"{one.name.normalized} =={one.version}" for one in kept)))
    found = asyncio.run(solve(wanted, kept))
    rows = [row_of(one) for one in found if _is_new(one, held)]
    actions = {"FETCH": rows, "LINK": rows, "PREFIX": str(asked.prefix)}
    return {"success": True, "dry_run": True, "prefix": str(asked.prefix), "actions": actions}


def _is_new(record: rattler.RepoDataRecord, held: Mapping[str, rattler.RepoDataRecord]) -> bool:
    before = held.get(record.name.normalized)
    return before is None or before.file_name != record.file_name


def _become(asked: Asked) -> NoReturn:
    """Run a program of the prefix in place of this one."""
    program, *arguments = asked.rest or ("",)
    path = asked.prefix_or_raise() / "bin" / program
    if not path.is_file():
        raise BadInputError(f"the environment has no {program or 'program'}", where=str(path))
    os.execv(path, [str(path), *arguments])  # noqa: S606 (of the prefix that the caller names)


def _say(text: str, status: int) -> NoReturn:
    """Print and end at once: an interpreter that ends after py-rattler worked crashes now and then."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
