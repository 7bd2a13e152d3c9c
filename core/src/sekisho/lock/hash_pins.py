"""A requirements file of other tools, of which every line pins a release and its hashes."""

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from sekisho.errors import BadInputError
from sekisho.model import Record, Sha256, normalize_project

_OPTION = re.compile(r"\s--?[a-z]")


class HashPin(Record):
    """One line of a hash-pinned requirements file: any file of ``project`` with one of these hashes will do."""

    project: str
    release: str
    hashes: tuple[Sha256, ...]

    def __str__(self) -> str:
        return f"{self.project}=={self.release}"


def hash_pins(text: str, *, where: str) -> tuple[HashPin, ...]:
    """Read a requirements file of which every line pins a release and its hashes, as pip-compile and uv write them.

    Markers are not looked at, and options that name an index are left out. Raises ``BadInputError`` naming the line.
    """
    found = [pin for number, line in _logical_lines(text) if (pin := _hash_pin(line, f"{where}, line {number}"))]
    if not found:
        raise BadInputError("there is nothing in it", where=where, todo="name a lock, as `sekisho lock` writes it")
    return tuple(found)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines joined where a backslash ends them, without comments, each with the number of its first."""
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = "" if line.lstrip().startswith("#") else line.partition(" #")[0].rstrip()
        first = first or number
        whole += bare.removesuffix("\\")
        if not bare.endswith("\\"):
            if whole.strip():
                yield first, whole.strip()
            whole, first = "", 0
    if whole.strip():
        yield first, whole.strip()


def _hash_pin(line: str, where: str) -> HashPin | None:
    if line.startswith("-"):
        if line.startswith(("-r", "-c", "-e", "--requirement", "--constraint", "--editable")):
            raise BadInputError("the file names another file", where=where, todo="give one lock that holds everything")
        return None
    option = _OPTION.search(line)
    words = line[option.start() :].split() if option else []
    try:
        wanted = Requirement(line[: option.start()] if option else line)
    except InvalidRequirement as error:
        raise BadInputError(f"not a requirement: {line[:80]!r}", where=where) from error
    pins = [spec for spec in wanted.specifier if spec.operator in {"==", "==="} and not spec.version.endswith(".*")]
    hashes = [word.removeprefix("--hash=sha256:") for word in words if word.startswith("--hash=sha256:")]
    if wanted.url or len(pins) != 1 or len(wanted.specifier) != 1 or not hashes:
        raise BadInputError(
            f"{wanted.name} is not pinned by release and sha256", where=where, todo="lock it, as with `sekisho lock`"
        )
    return HashPin.parse(
        {"project": normalize_project("pypi", wanted.name), "release": pins[0].version, "hashes": hashes}, where=where
    )
