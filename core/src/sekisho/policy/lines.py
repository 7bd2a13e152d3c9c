"""Reading a YAML file into a record so that whatever is wrong is named with its line."""

from collections.abc import Sequence
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError
from sekisho.model import Record

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its C library is slower, not different
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_R = TypeVar("_R", bound=Record)
_MOST = 20


def parse_at(model: type[_R], text: str, *, where: str) -> _R:
    """Return the record that ``text`` holds; raise ``BadInputError`` naming file, line and key of each wrong part."""
    value = load_yaml(text, where=where)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        rows = _innermost(error)
        root = yaml.compose(text, Loader=_Loader)
        places = [_line(root, row["loc"]) for row in rows[:_MOST]]
        told = [
            f"{'.'.join(map(str, row['loc'])) or 'value'}: {row['msg']}"
            + (f" (line {place})" if len(rows) > 1 and place else "")
            for row, place in zip(rows[:_MOST], places, strict=False)
        ]
        more = [f"and {len(rows) - _MOST} more"] if len(rows) > _MOST else []
        first = min((place for place in places if place), default=None)
        raise BadInputError(
            "; ".join([*told, *more]),
            where=f"{where}, line {first}" if first else where,
            todo="correct the named keys; docs/reference lists them",
        ) from error


def place_of(text: str, path: Sequence[int | str], *, where: str) -> str:
    """Name file and line of what ``path`` leads to in a text that was read without complaint."""
    line = _line(yaml.compose(text, Loader=_Loader), path)
    return f"{where}, line {line}" if line else where


def _innermost(error: ValidationError) -> list[Any]:
    """Return the errors without those on a whole of which a part is wrong: they only follow from it."""
    rows = error.errors(include_url=False)
    inner = {row["loc"][:length] for row in rows for length in range(len(row["loc"]))}
    return [row for row in rows if row["loc"] not in inner]


def _line(node: Any, path: Sequence[int | str]) -> int | None:  # noqa: ANN401 (PyYAML has no types)
    """Return the line (from 1) of what ``path`` leads to, or of the last part that is there.

    Parts of the path that name a variant of a record are in no file, and passed over.
    """
    if node is None:
        return None
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is not None:
                node, line = found[1], found[0].start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return int(line) + 1
