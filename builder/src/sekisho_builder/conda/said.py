"""Why nothing fits, in few lines: the solver's tree without what nobody reads."""

import re

_LEAD = re.compile(r"^Cannot solve the request because of:\s*")
_ADDRESS = re.compile(r"'?https?://\S*?/candidates/conda/([a-z0-9._-]+)/?'?")
_MANY = re.compile(r"(?:[^\s|]+ \| ){4,}[^\s|]+")
_ONLY_HEADING = "The following packages are incompatible"
_MOST_LINES = 14
_LONGEST = 220


def shortened(text: str) -> str:
    """Return the reason with channels by their names, long lists of versions as ranges, and its first lines."""
    plain = _ADDRESS.sub(r"\1", _LEAD.sub("", text))
    lines = []
    for line in plain.splitlines():
        bare = line.rstrip()
        if bare and bare != _ONLY_HEADING and bare not in lines:
            lines.append(_MANY.sub(_range, bare)[:_LONGEST])
    more = len(lines) - _MOST_LINES
    shown = lines[:_MOST_LINES] + ([f"… and {more} lines more"] if more > 0 else [])
    return "nothing satisfies what was asked for:\n" + "\n".join(shown)


def _range(found: re.Match[str]) -> str:
    versions = found[0].split(" | ")
    return f"{versions[0]} … {versions[-1]} ({len(versions)} versions)"
