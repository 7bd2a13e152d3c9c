"""Match specs (CEP 29) as files and people write them, with the channel that one may name."""

from sekisho.errors import BadInputError
from sekisho.model import MOST_REQUIREMENTS, MatchSpec, parse_spec
from sekisho.wanted.value import check_count, shown

_SPEC_HOW = "write it as NAME, NAME=VERSION or NAME>=VERSION, perhaps with CHANNEL:: before it"


def read_spec(text: str, *, where: str) -> str:
    """Read one match spec; raise ``BadInputError`` for what is none, or cannot be held to a record.

    The channel before ``::`` is left as it is written; ``sekisho.channels`` finds out which source it is.
    """
    place, colons, rest = text.strip().rpartition("::")
    if colons and (not place or not place.isprintable() or " " in place):
        raise BadInputError(f"{shown(text)!r} names no channel before ::", where=where, todo=_SPEC_HOW)
    try:
        parse_spec(rest)
        MatchSpec.parse(rest)
    except ValueError as error:
        raise BadInputError(shown(str(error)), where=where, todo=_SPEC_HOW) from error
    return f"{place}{colons}{rest.strip()}"


def read_specs(text: str, *, where: str) -> tuple[str, ...]:
    """Read match specs, one a line, with comments and empty lines between them."""
    lines = text.splitlines()
    check_count(len(lines), 2 * MOST_REQUIREMENTS, "lines", where=where)
    numbered = ((number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1))
    return tuple(read_spec(line, where=f"{where}, line {number}") for number, line in numbered if line)
