"""What an approved file needs of others on a target: a wheel by its METADATA, a package of a channel by its record."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from sekisho.errors import BadInputError
from sekisho.model import (
    NOARCH,
    Artifact,
    MatchSpec,
    Target,
    VersionSpec,
    constrains_of,
    glob_matches,
    match_spec,
    needs_of,
    node_of,
    spec_name,
)
from sekisho.model.tags import wheel_tags

PLAIN: frozenset[str] = frozenset()
_CHANNELS = "conda:"
_UNREADABLE = "conda:?"
"""What a package needs whose record cannot be read: nothing is called so."""

_ANY = SpecifierSet()
_NOTHING = MatchSpec("", VersionSpec("<0a0,>0"))
"""A spec that nothing matches."""


class Need(NamedTuple):
    """What is needed; ``optional`` only binds a project if it is there (``constrains`` of a channel's record)."""

    project: str
    extras: frozenset[str]
    specifier: SpecifierSet | MatchSpec | None
    optional: bool = False


def fits(need: Need, artifact: Artifact) -> bool:
    """Tell whether a file is what is needed."""
    if artifact.kind == "conda":
        return need.specifier is None or _fits_package(need.specifier, artifact)
    if isinstance(need.specifier, MatchSpec):
        return False
    specifier = need.specifier if need.specifier is not None else _ANY
    if artifact.yanked is not None and not any(one.operator in {"==", "==="} for one in specifier):
        return False  # PEP 592: only an exact pin takes a yanked file
    try:
        return specifier.contains(Version(artifact.release), prereleases=True)
    except InvalidVersion:
        return False


def _fits_package(wanted: SpecifierSet | MatchSpec, artifact: Artifact) -> bool:
    if isinstance(wanted, MatchSpec):
        return wanted.matches(artifact)
    try:  # what a wheel says of a project that a channel gives
        return wanted.contains(Version(artifact.release), prereleases=True)
    except InvalidVersion:
        return False


def needs_on(
    target: Target,
    artifact: Artifact,
    extras: frozenset[str],
    stated: tuple[str, ...] | None,
    edges: tuple[str, ...],
) -> tuple[Need, ...]:
    """Return what a file needs on a target.

    ``stated`` is what a wheel's METADATA requires, ``None`` where nobody read that: then, and of what a channel gives
    to a wheel, the ``edges`` of its closure tell.
    """
    if artifact.kind == "conda":
        return _of_record(artifact)
    if stated is None or not artifact.filename.endswith(".whl"):
        return tuple(Need(name, PLAIN, None) for name in edges)
    needs = _stated(stated, extras, target)
    given = [name for name in edges if name.startswith(_CHANNELS)]
    return needs if not given else tuple(_by_channels(needs, given))


def _by_channels(needs: Iterable[Need], given: Iterable[str]) -> Iterator[Need]:
    """Yield a wheel's needs where a channel gives some of them, by the edges of its closure."""
    left = {canonicalize_name(name.removeprefix(_CHANNELS)): name for name in given}
    for need in needs:
        node = left.pop(canonicalize_name(need.project), None)
        yield need if node is None else Need(node, PLAIN, need.specifier)
    yield from (Need(node, PLAIN, None) for node in left.values())


def _of_record(artifact: Artifact) -> tuple[Need, ...]:
    """Return what a package of a channel needs by its record; virtual packages are the target's, see ``runs``."""
    try:
        needs, constrains = needs_of(artifact), constrains_of(artifact)
    except BadInputError:
        return (Need(_UNREADABLE, PLAIN, None),)
    found = [(text, False) for text in needs] + [(text, True) for text in constrains]
    return tuple(_of_spec(text, optional=optional) for text, optional in found if not text.startswith("__"))


@lru_cache(maxsize=100_000)
def _of_spec(text: str, *, optional: bool) -> Need:
    """Return the need that a match spec states; one that cannot be read is met by the solver's own answer alone."""
    spec = match_spec(text)
    name = spec.name if spec else spec_name(text)
    return Need(node_of("conda", name), PLAIN, (spec or _NOTHING)._replace(channel="", subdir=""), optional)


@lru_cache(maxsize=100_000)
def _stated(requires: tuple[str, ...], extras: frozenset[str], target: Target) -> tuple[Need, ...]:
    return tuple(_counting(requires, extras, target))


def _counting(requires: Iterable[str], extras: frozenset[str], target: Target) -> Iterator[Need]:
    base = target.markers()
    environments = [base | {"extra": extra} for extra in (extras or {""})]
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker is None or any(wanted.marker.evaluate(one) for one in environments):
            names = frozenset(canonicalize_name(extra) for extra in wanted.extras)
            yield Need(canonicalize_name(wanted.name), names, wanted.specifier)


def runs(artifact: Artifact, target: Target) -> bool:
    """Tell whether a file is for the target.

    A wheel by its name (PEP 425, 600) and its Requires-Python, a package of a channel by its subdir and by what it
    needs of the machine (virtual packages, CEP 30): of that the target says the C library, and no GPU.
    """
    if artifact.kind == "conda":
        return artifact.path.partition("/")[0] in {NOARCH, target.subdir} and _machine_has(artifact, target)
    try:
        tags = parse_wheel_filename(artifact.filename)[3]
        python = SpecifierSet(artifact.index.get("requires-python", ""))
    except (InvalidWheelFilename, InvalidSpecifier):
        return False
    return python.contains(target.python, prereleases=True) and not tags.isdisjoint(_tags(target))


def _machine_has(artifact: Artifact, target: Target) -> bool:
    try:
        wanted = [match_spec(text) for text in needs_of(artifact) if text.startswith("__")]
    except BadInputError:
        return False
    given = {name: (version, build) for name, version, build in target.virtual}
    return all(
        spec is not None
        and spec.name in given
        and (spec.version is None or spec.version.contains(given[spec.name][0]))
        and (not spec.build or glob_matches(spec.build, given[spec.name][1]))
        for spec in wanted
    )


@lru_cache(maxsize=64)
def _tags(target: Target) -> frozenset[Tag]:
    return frozenset(wheel_tags(target))
