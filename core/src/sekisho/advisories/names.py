"""Under which names of the index a channel's packages are known: advisories speak of the index's names only.

The file is one JSON object, from a conda package's name to the project of a Python index that it holds, to a list of
several, or to ``null`` where it holds none: ``{"pytorch": "torch", "openssl": null}``. Parselmouth's
``compressed_mapping.json`` is of this form. What is not in it, or holds none, is unknown, and never clean.
"""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from sekisho.errors import BadInputError
from sekisho.model import normalize_project

_LARGEST = 64 << 20
_MOST = 20


def read_names(file: BinaryIO, *, where: str) -> Mapping[str, tuple[str, ...]]:
    """Return the index's projects by conda name; raise ``BadInputError`` naming the entry that is none."""
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise BadInputError(f"the mapping is larger than {_LARGEST} bytes", where=where)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"not valid JSON: {str(error)[:200]}", where=where, todo="fetch it again") from error
    if not isinstance(value, dict) or not value:
        raise BadInputError("not an object from conda names to names of the index", where=where)
    found: dict[str, tuple[str, ...]] = {}
    for name, projects in value.items():
        try:
            found[normalize_project("conda", name)] = _projects(projects)
        except (BadInputError, TypeError) as error:
            said = error.what if isinstance(error, BadInputError) else str(error)
            raise BadInputError(f"the entry {name[:80]!r} is none: {said}", where=where) from error
    return {name: projects for name, projects in found.items() if projects}


def _projects(value: Any) -> tuple[str, ...]:  # noqa: ANN401 (JSON)
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names) or len(names) > _MOST:
        message = "it is neither a name, nor a short list of names, nor null"
        raise TypeError(message)
    return tuple(dict.fromkeys(normalize_project("pypi", name) for name in names))
