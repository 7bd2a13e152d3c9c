"""Sources: the upstreams in the order in which they are asked, and which of them owns a name.

Pure. A name that a source owns is asked there and nowhere else, whatever the answer: so nobody outside can offer a file
under a name that is used inside. A name that nobody owns is asked at the sources in order.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from sekisho.allowlist import HttpUrl, load_yaml
from sekisho.errors import BadInputError
from sekisho.model import Artifact, Kind, Outcome, Reason, Record, Slug, normalize_project

NOT_THE_OWNER = "not-the-owner"
"""The rule that refuses an approved file because its source may not provide its name (any more)."""

_PREFIX = {"pypi": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)}
_OTHER_PREFIX = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]*", re.ASCII)
_RUN = re.compile(r"[-_.]+")
_LONGEST = 200


def normalize_pattern(kind: Kind, text: str) -> str:
    """Return the one spelling of a name, or of the beginning of names with a ``*`` behind it.

    Raises ``BadInputError`` for a star anywhere else, and for what no name can begin with.
    """
    if "*" not in text:
        return normalize_project(kind, text)
    prefix = text.removesuffix("*")
    if prefix and (len(prefix) > _LONGEST or not _PREFIX.get(kind, _OTHER_PREFIX).fullmatch(prefix)):
        raise BadInputError(
            f"{text[:80]!r} is neither a name nor the beginning of one", todo="write NAME or BEGINNING*, as in acme-*"
        )
    return f"{_RUN.sub('-', prefix).lower() if kind == 'pypi' else prefix}*"


class Source(Record):
    """An upstream index, channel or hub.

    ``preset`` stands for a well-known source whose address comes from its client library; ``url`` names any other.
    ``file_hosts`` are the only hosts, besides the index's own, that its files may come from. ``private`` says that its
    hosts may have addresses that are not public.

    ``owns`` are names, and beginnings of names with a ``*``, that are asked here and nowhere else. A source that owns
    something ``serves`` nothing else unless it says ``any``: an in-house index often relays a public one, or holds
    a name that somebody inside took.

    ``ages`` are of a channel's files: since when Sekisho has ``seen`` them, or what is ``stated``, where that is older.
    """

    id: Slug
    kind: Kind = "pypi"
    preset: Literal["pypi"] | None = None
    url: HttpUrl | None = None
    file_hosts: Annotated[tuple[str, ...], Field(alias="file-hosts")] = ()
    private: bool = False
    owns: tuple[str, ...] = ()
    serves: Literal["owned", "any"] | None = None
    ages: Literal["seen", "stated"] = "seen"

    model_config = Record.model_config | {"populate_by_name": True}

    @field_validator("owns")
    @classmethod
    def _are_patterns(cls, owns: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        try:
            return tuple(normalize_pattern(info.data.get("kind", "pypi"), text) for text in owns)
        except BadInputError as error:
            raise ValueError(error.what) from error

    @property
    def serves_any(self) -> bool:
        """Tell whether names that nobody owns may come from here."""
        return self.serves == "any" or (self.serves is None and not self.owns)


class Sources(Record):
    """``sources.yaml``: the upstreams in the order in which they are asked."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


_MOST_NAMES = 1 << 16


class Ownership:
    """Who may be asked for a name. Of several patterns the exact name wins, then the longest beginning.

    Raises ``BadInputError`` if two sources own the same name or the same beginning.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)
        self._owners: dict[tuple[Kind, str], Source] = {}
        for source in self.sources:
            for pattern in source.owns:
                other = self._owners.setdefault((source.kind, pattern), source)
                if other is not source:
                    raise BadInputError(
                        f"sources {other.id!r} and {source.id!r} both own {pattern!r}",
                        todo="let one of them own it; a longer beginning, or the whole name, wins over a shorter one",
                    )

        lengths = {len(pattern) - 1 for _, pattern in self._owners if pattern.endswith("*")}
        self._lengths = sorted(lengths, reverse=True)
        self._objection = lru_cache(maxsize=_MOST_NAMES)(self._object)  # a project has many files

    def owner(self, kind: Kind, name: str) -> Source | None:
        """Return the source that owns ``name``, in whatever spelling; raise ``BadInputError`` if it is no name."""
        project = normalize_project(kind, name)
        if not self._owners:
            return None
        starts = (f"{project[:length]}*" for length in self._lengths if length <= len(project))
        found = (self._owners.get((kind, pattern)) for pattern in (project, *starts))
        return next(filter(None, found), None)

    def asked(self, kind: Kind, name: str) -> tuple[Source, ...]:
        """Return the sources to ask for ``name``: its owner alone, or else all that serve any name, in order."""
        owner = self.owner(kind, name)
        if owner is not None:
            return (owner,)
        return tuple(source for source in self.sources if source.kind == kind and source.serves_any)

    def objection(self, artifact: Artifact) -> Reason | None:
        """Return why this file's source may not provide a file of this name, if it may not.

        A source that is not listed any more is not asked; what was approved of it stays, unless the name has an owner.
        """
        return self._objection(artifact.kind, artifact.project, artifact.source)

    def _object(self, kind: Kind, project: str, source_id: str) -> Reason | None:
        owner = self.owner(kind, project)
        if owner is not None:
            if owner.id == source_id:
                return None
            said = f"{project} is owned by source {owner.id}, and this file was approved from {source_id}"
            return Reason(rule=NOT_THE_OWNER, outcome=Outcome.DENY, evidence=said)
        source = next((row for row in self.sources if row.id == source_id), None)
        if source is None or source.serves_any:
            return None
        said = f"source {source.id} serves only what it owns, and {project} is not of that"
        return Reason(rule=NOT_THE_OWNER, outcome=Outcome.DENY, evidence=said)


def parse_sources(text: str, *, where: str = "sources.yaml") -> Sources:
    """Read ``sources.yaml``; ids must be unique, each source needs a preset or a url, and each name one owner."""
    sources = Sources.parse(load_yaml(text, where=where), where=where)
    seen: set[str] = set()
    for source in sources.sources:
        if source.id in seen:
            raise BadInputError(f"source {source.id!r} is listed twice", where=where)
        if (source.preset is None) == (source.url is None):
            raise BadInputError(f"source {source.id!r} needs either a preset or a url", where=where)
        if source.url and "@" in source.url.split("/")[2]:
            raise BadInputError(
                f"the url of source {source.id!r} holds a login",
                where=where,
                todo="take it out and change it, since this file is read by many; docs/how-to/sources.md says where to",
            )
        if source.ages != "seen" and source.kind != "conda":
            raise BadInputError(f"source {source.id!r} has `ages`, which only channels have", where=where)
        if source.serves == "owned" and not source.owns:
            raise BadInputError(f"source {source.id!r} serves only what it owns, and owns nothing", where=where)
        seen.add(source.id)
    try:
        Ownership(sources.sources)
    except BadInputError as error:
        raise BadInputError(error.what, where=where, todo=error.todo) from error
    return sources
