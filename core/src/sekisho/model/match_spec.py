"""Match specs: what a package of a channel is asked for with, and what its record says that it needs (CEP 29)."""

import json
import re
from functools import lru_cache
from typing import NamedTuple, Self

from sekisho.errors import BadInputError
from sekisho.model.closure import Artifact
from sekisho.model.conda import RECORD, PackageName, clean_record, conda_record
from sekisho.model.conda_version import VersionSpec, glob_matches

_HEAD = re.compile(r"(?:(?P<place>[^\s:\[\]]+):(?:[^\s:\[\]]*:))?\s*(?P<name>[^\s=<>!~\[\],|:]+)", re.ASCII)
_PAIR = re.compile(r"""\s*([a-z0-9_]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s,"'\[\]]+))\s*(?:,|\s|$)""", re.ASCII)
_OPERATORS = "=!<>~,|"
_LONGEST = 2000
_KEYS = frozenset({"version", "build", "build_number", "channel", "subdir", "md5", "sha256"})
_NUMBER = re.compile(r"(==|!=|<=|>=|<|>|=)?\s*([0-9]{1,18})", re.ASCII)


class MatchSpec(NamedTuple):
    """A match spec, read: ``channel`` is a source's id; what is empty says nothing."""

    name: str
    version: VersionSpec | None = None
    build: str = ""
    channel: str = ""
    subdir: str = ""
    build_number: str = ""
    sha256: str = ""
    md5: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a match spec; raise ``ValueError`` for what is none, or asks for what no record here is held to.

        That is an address, a file, a condition, a licence, and any regular expression.
        """
        if len(text) > _LONGEST or not text.isprintable():
            raise ValueError(f"{text[:80]!r} is no match spec that can be read")
        head = _HEAD.match(text := text.strip())
        if head is None:
            raise ValueError(f"{text[:80]!r} is no match spec: it begins with no name")
        rest, keys = _bracketed(text[head.end() :].strip(), text)
        channel, _, subdir = (head["place"] or "").partition("/")
        version, build = _positional(rest)
        version, build = keys.get("version", version), keys.get("build", build)
        if build.startswith("^"):
            raise ValueError(f"{text[:80]!r} asks with a regular expression, which is not read")
        number = keys.get("build_number", "")
        if number and not _NUMBER.fullmatch(number):
            raise ValueError(f"{text[:80]!r} has no number for build_number")
        return cls(
            name=head["name"].lower(),
            version=VersionSpec(version) if version else None,
            build=build,
            channel=keys.get("channel", channel),
            subdir=keys.get("subdir", subdir),
            build_number=number,
            sha256=keys.get("sha256", "").lower(),
            md5=keys.get("md5", "").lower(),
        )

    def matches(self, artifact: Artifact) -> bool:
        """Tell whether an artifact of kind ``conda`` is what the spec asks for."""
        subdir = artifact.path.partition("/")[0]
        return (
            artifact.kind == "conda"
            and glob_matches(self.name, artifact.project)
            and (self.version is None or self.version.contains(artifact.release))
            and (not self.channel or glob_matches(self.channel, artifact.source))
            and (not self.subdir or glob_matches(self.subdir, subdir))
            and self.sha256 in {"", artifact.sha256}
            and (not self.build or glob_matches(self.build, build_of(artifact)))
            and (not (self.build_number or self.md5) or self._fits_record(artifact))
        )

    def _fits_record(self, artifact: Artifact) -> bool:
        """Hold the artifact's record, which has to be read, to what only that says."""
        try:
            record = conda_record(artifact)
        except BadInputError:
            return False
        if self.md5 not in {"", record.get("md5")}:
            return False
        found = _NUMBER.fullmatch(self.build_number)
        if found is None:
            return True
        own, asked = record["build_number"], int(found[2])
        return bool(
            {
                "!=": own != asked,
                "<": own < asked,
                "<=": own <= asked,
                ">": own > asked,
                ">=": own >= asked,
            }.get(found[1] or "==", own == asked)
        )


def build_of(artifact: Artifact) -> str:
    """Return the build in a conda package's file name; "" for a name that no package has."""
    try:
        return PackageName.parse(artifact.filename).build
    except BadInputError:
        return ""


@lru_cache(maxsize=100_000)
def match_spec(text: str) -> MatchSpec | None:
    """Read a match spec, or remember it; ``None`` for one that cannot be read."""
    try:
        return MatchSpec.parse(text)
    except ValueError:
        return None


def needs_of(artifact: Artifact) -> tuple[str, ...]:
    """Return the match specs that a conda package needs by its record; raise ``BadInputError`` if it carries none."""
    return _specs(artifact.filename, artifact.path.partition("/")[0], artifact.index.get(RECORD, ""))[0]


def constrains_of(artifact: Artifact) -> tuple[str, ...]:
    """Return the match specs that hold for others beside a conda package; raise as ``needs_of`` does."""
    return _specs(artifact.filename, artifact.path.partition("/")[0], artifact.index.get(RECORD, ""))[1]


@lru_cache(maxsize=100_000)
def _specs(filename: str, subdir: str, record: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        stated = json.loads(record)
    except ValueError as error:
        raise BadInputError("the artifact carries no record of a channel", where=filename) from error
    clean = clean_record(filename, stated, subdir=subdir)
    return tuple(clean["depends"]), tuple(clean["constrains"])


def _bracketed(rest: str, text: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the square brackets, and what is in them."""
    if not rest.endswith("]"):
        if "[" in rest or "]" in rest:
            raise ValueError(f"{text[:80]!r} has brackets that do not end it")
        return rest, {}
    plain, _, inside = rest[:-1].partition("[")
    keys: dict[str, str] = {}
    at = 0
    while at < len(inside.rstrip()):
        found = _PAIR.match(inside, at)
        if found is None:
            raise ValueError(f"{text[:80]!r} has brackets that hold no KEY=VALUE")
        keys[found[1]] = (found[2] or found[3] or found[4] or "").strip()
        at = found.end()
    if others := keys.keys() - _KEYS - {"name"}:
        raise ValueError(f"{text[:80]!r} asks for {', '.join(sorted(others))[:80]}")
    return plain.strip(), keys


def _positional(rest: str) -> tuple[str, str]:
    """Return the version spec and the build of ``NAME VERSION BUILD`` or ``NAME=VERSION=BUILD``, without the name."""
    at = max(rest.rfind(" "), rest.rfind("="))
    version, build = rest[:at].rstrip() if at > 0 else "", rest[at + 1 :]
    if not version or not build or version[-1] in _OPERATORS or set(build) & set(_OPERATORS):
        return rest.removeprefix("=="), ""  # so ``==1.*`` is ``1.*``, for every client
    if version.startswith("=") and not set(version[1:]) & set(_OPERATORS):
        version = version[1:]  # with a build behind it, one equals sign is exact, for every client
    return version, build
