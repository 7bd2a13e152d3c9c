"""What a requester asks."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from packaging.requirements import Requirement
from pydantic import Field, field_validator, model_validator

from sekisho.errors import BadInputError
from sekisho.model.base import Moment, Record, Sha256
from sekisho.model.closure import Artifact, spec_name
from sekisho.model.extra_build import NOTHING, Extra, ExtraDependencies, ExtraVariables, extra_of
from sekisho.model.identity import EVERYONE, Kind, ProjectName, Slug, normalize_project
from sekisho.model.match_spec import MatchSpec
from sekisho.model.requirement import parse_requirement
from sekisho.model.target import Target

MOST_REQUIREMENTS = 5000
MOST_CONSTRAINTS = 10_000
_LONGEST_SPEC = 500
_SPEC = re.compile(
    r"(?:(?P<channel>[A-Za-z0-9._-]+)::)?(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
    r"(?P<version>(?:\s*[=<>!~,|*\s][A-Za-z0-9_.!+*=<>~,|\s-]*)?)(?:\[(?P<brackets>[^\[\]]*)\])?",
    re.ASCII,
)
_SPEC_KEYS = frozenset({"version", "build", "build_number", "sha256", "md5"})
_KEYS = ", ".join(sorted(_SPEC_KEYS))


def parse_spec(text: str) -> str:
    """Return the name in a match spec (CEP 29) of a package of a channel; raise ``ValueError`` for anything else.

    Refused are an address, a file, and in brackets what names another place than a declared channel.
    """
    if not text.isprintable() or len(text) > _LONGEST_SPEC:
        raise ValueError(f"{text[:80]!r} is no match spec that can be read")
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:80]!r} is no match spec: write NAME, NAME=VERSION, or CHANNEL::NAME with either")
    keys = {row.partition("=")[0].strip() for row in (found["brackets"] or "").split(",") if row.strip()}
    if others := keys - _SPEC_KEYS:
        raise ValueError(f"{text[:80]!r} names {', '.join(sorted(others))}; in brackets stand {_KEYS}")
    return found["name"].lower()


class Request(Record):
    """A person's words: these requirements, on this target, for this workspace.

    ``requirements`` are of an index (PEP 508), ``conda`` are match specs (CEP 29); there is at least one. ``channels``
    are the sources that match specs are looked for at, the first one first: all of kind ``conda`` where none is named.
    A spec may name its own (``CHANNEL::name``).

    ``image`` names the image definition that the closure is meant for, if any; ``beside`` the image that the requester
    works in and wants the packages beside. ``constraints`` are requirements that hold for a project if it is needed, as
    the pins of a lock; ``hashes`` says of a project which files alone will do. ``extra_build_dependencies`` and
    ``extra_build_variables`` say of a project that is built from source with what else, see ``Extra``.
    """

    requester: Annotated[str, Field(min_length=1, max_length=200)]
    workspace: Slug = EVERYONE
    kind: Kind = "pypi"
    requirements: Annotated[tuple[str, ...], Field(max_length=MOST_REQUIREMENTS)] = ()
    conda: Annotated[tuple[str, ...], Field(max_length=MOST_REQUIREMENTS)] = ()
    channels: Annotated[tuple[Slug, ...], Field(max_length=20)] = ()
    constraints: Annotated[tuple[str, ...], Field(max_length=MOST_CONSTRAINTS)] = ()
    hashes: Annotated[Mapping[ProjectName, tuple[Sha256, ...]], Field(max_length=MOST_CONSTRAINTS)] = {}
    extra_build_dependencies: ExtraDependencies = NOTHING
    extra_build_variables: ExtraVariables = NOTHING
    target: Target
    image: Slug | None = None
    beside: Slug | None = None
    resolve_before: Moment | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""
    at: Moment

    @field_validator("requirements", "constraints")
    @classmethod
    def _name_projects(cls, requirements: tuple[str, ...]) -> tuple[str, ...]:
        for text in requirements:
            parse_requirement(text)
        return requirements

    @field_validator("conda")
    @classmethod
    def _match_packages(cls, conda: tuple[str, ...]) -> tuple[str, ...]:
        for text in conda:
            parse_spec(text)
        return tuple(dict.fromkeys(conda))

    @field_validator("channels")
    @classmethod
    def _name_channels(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(channels))

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.requirements and not self.conda:
            raise ValueError("neither `requirements` nor `conda` asks for anything")
        return self

    @field_validator("constraints")
    @classmethod
    def _constrain(cls, constraints: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what asks for more instead of for less."""
        for text in constraints:
            if Requirement(text).extras:
                raise ValueError(f"{text[:80]!r} is a constraint, so it has no extras")
        return constraints

    def check_names(self) -> None:
        """Raise ``BadInputError`` for a name that no project has, or whose hashes stand under another spelling.

        It is asked of what comes in; what is on record stays readable.
        """
        if self.kind != "pypi":
            raise BadInputError(
                "requirements are of an index", where="kind", todo="leave it out; match specs of channels go to `conda`"
            )
        for text in (*self.requirements, *self.constraints):
            normalize_project(self.kind, Requirement(text).name)
        for text in self.conda:
            normalize_project("conda", parse_spec(text))
            try:
                MatchSpec.parse(text)
            except ValueError as error:
                raise BadInputError(
                    str(error), where="conda", todo="write NAME, NAME=VERSION or NAME>=VERSION"
                ) from error
        for name in self.hashes:
            if (normal := normalize_project(self.kind, name)) != name:
                raise BadInputError(f"the hashes of {name!r} bind nothing", where="hashes", todo=f"write {normal}")

    def objection(self, artifacts: Iterable[Artifact]) -> str | None:
        """Say which file cannot be in an answer.

        A constraint excludes its release, its hash is another one, or it is not what a match spec or the channels say.
        """
        holding: dict[str, list[Requirement]] = {}
        for wanted in map(Requirement, self.constraints):
            if self.target.fits(wanted.marker):
                holding.setdefault(normalize_project(self.kind, wanted.name), []).append(wanted)
        specs = [MatchSpec.parse(text) for text in self.conda]
        channels = {*self.channels, *(spec.channel for spec in specs)} if self.channels else set()
        for artifact in artifacts:
            if artifact.kind == "conda":
                if channels and artifact.source not in channels:
                    return f"{artifact.filename} is of channel {artifact.source}, which was not asked for"
                for text, spec in zip(self.conda, specs, strict=True):
                    if spec.name == artifact.project and not spec.matches(artifact):
                        return f"{artifact.filename} of channel {artifact.source} is not what {text} says"
            if artifact.kind != self.kind:
                continue
            for wanted in holding.get(artifact.project, ()):
                if not wanted.specifier.contains(artifact.release, prereleases=True):
                    return f"{artifact.name} is not what the constraint {wanted} says"
            if wrong := self._other_file(artifact):
                return wrong
        return None

    def _other_file(self, artifact: Artifact) -> str | None:
        recipe, allowed = self.for_build(artifact.project).recipe, self.hashes.get(artifact.project)
        if recipe and not artifact.build_only and artifact.recipe != recipe:
            return f"{artifact.filename} was not built with what extra-build-dependencies and -variables name"
        if allowed is not None and (artifact.built or artifact.sha256) not in allowed:
            return f"{artifact.filename} has none of the {len(allowed)} hashes that were asked for"
        return None

    def for_build(self, project: str) -> Extra:
        """Return what this request names for a build of a project beside what its source asks for."""
        return extra_of(self.extra_build_dependencies, self.extra_build_variables, project)

    def asked(self) -> frozenset[tuple[Kind, str]]:
        """Return the projects that every answer has to hold: those whose marker, if any, fits the target."""
        wanted = map(Requirement, self.requirements)
        found = {(self.kind, normalize_project(self.kind, row.name)) for row in wanted if self.target.fits(row.marker)}
        return frozenset(found | {("conda", spec_name(spec)) for spec in self.conda})
