"""What a person typed into the form for a request, as a request has it."""

from typing import Any

from sekisho.wanted import read_lines, read_specs


def asked_in(*, requirements: str, conda: str, channels: str) -> dict[str, Any]:
    """Return what lines of requirements, of match specs, and the names of channels ask for.

    Raises ``BadInputError`` naming the line that cannot be read. Channels count only where a spec is asked of one.
    """
    wanted = read_lines(requirements, where="requirements")
    body: dict[str, Any] = {"requirements": wanted.requirements}
    if wanted.hashes:
        body["hashes"] = wanted.hashes
    if specs := read_specs(conda, where="packages of channels"):
        body |= {"conda": specs, "channels": channels.replace(",", " ").split()}
    return body
