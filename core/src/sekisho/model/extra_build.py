"""What is named for the build of a project beside what its source asks for: more requirements, and variables.

Names and shape are uv's: ``extra-build-dependencies``, ``extra-build-variables``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sekisho.errors import BadInputError
from sekisho.model.base import Record, canonical_json, sha256_hex
from sekisho.model.identity import ProjectName, normalize_project
from sekisho.model.requirement import parse_requirement

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
_LONGEST = 2000
_OF_THE_ROOM = re.compile(
    r"PATH|HOME|TMPDIR|TMP|TEMP|SHELL|IFS|ENV|TZ|LANG|LANGUAGE|SOURCE_DATE_EPOCH|VIRTUAL_ENV|GCONV_PATH|LOCPATH"
    r"|GLIBC_TUNABLES|[A-Z]+_PROXY|(LD|LC|PIP|UV|SEKISHO|BASH|MALLOC|SSL)(_.*)?|PYTHON.*"
)
"""What says where programs, libraries, the network and the clock are: the room itself says that."""


class ExtraRequirement(Record):
    """One requirement that a build is given.

    What the closure holds, too, is built with as it is there, the file itself. With ``match-runtime`` the closure has
    to hold it, and with ``false`` it may be another release.
    """

    requirement: str
    match_runtime: Annotated[bool | None, Field(alias="match-runtime")] = None

    model_config = Record.model_config | {"populate_by_name": True}

    @property
    def project(self) -> str:
        """Return the project that it names."""
        return normalize_project("pypi", parse_requirement(self.requirement).name)

    @model_validator(mode="after")
    def _names_a_project(self) -> Self:
        wanted = parse_requirement(self.requirement)
        try:
            normalize_project("pypi", wanted.name)
        except BadInputError as error:
            raise ValueError(error.what) from error
        if self.match_runtime and wanted.specifier:
            raise ValueError(f"{str(wanted)[:80]!r}: with match-runtime the closure says the release; leave it out")
        return self


def _spelled_out(value: object) -> object:
    return {"requirement": value} if isinstance(value, str) else value


def _by_project(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give each project its one spelling."""
    found: dict[str, Any] = {}
    for name, value in rows.items():
        try:
            project = normalize_project("pypi", name)
        except BadInputError as error:
            raise ValueError(error.what) from error
        if project in found:
            raise ValueError(f"{project} stands there twice")
        found[project] = value
    return found


def _check_variables(variables: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is no variable of a build: capital letters, digits and _, a letter first")
        if _OF_THE_ROOM.fullmatch(name):
            raise ValueError(f"{name} is the build room's own, which no request changes; leave it out")
        if not value.isprintable() or len(value) > _LONGEST:
            raise ValueError(f"the value of {name} has more than {_LONGEST} characters, or one that cannot be printed")
    return variables


_Requirement = Annotated[ExtraRequirement, BeforeValidator(_spelled_out)]
_Variables = Annotated[Mapping[str, str], Field(max_length=100), AfterValidator(_check_variables)]
ExtraDependencies = Annotated[
    Mapping[ProjectName, Annotated[tuple[_Requirement, ...], Field(max_length=200)]],
    Field(max_length=200),
    AfterValidator(_by_project),
]
"""By project, requirements that its build is given."""

ExtraVariables = Annotated[Mapping[ProjectName, _Variables], Field(max_length=200), AfterValidator(_by_project)]
"""By project, what its build is told in its environment. Whoever sees the request sees the values."""


NOTHING: Mapping[str, Any] = {}
"""Nothing is named for any build."""


class Extra(NamedTuple):
    """What is named for the build of one project."""

    dependencies: tuple[ExtraRequirement, ...] = ()
    variables: Mapping[str, str] = {}

    @property
    def recipe(self) -> str | None:
        """Return the sha256 of all of it, whatever its order; nothing if nothing is named."""
        if not (self.dependencies or self.variables):
            return None
        rows = sorted((row.plain() for row in self.dependencies), key=canonical_json)
        return sha256_hex(canonical_json({"dependencies": rows, "variables": dict(self.variables)}))


def extra_of(
    dependencies: Mapping[str, tuple[ExtraRequirement, ...]], variables: Mapping[str, Mapping[str, str]], project: str
) -> Extra:
    """Return of what is named for builds what is for one project."""
    return Extra(tuple(dependencies.get(project, ())), dict(variables.get(project, {})))
