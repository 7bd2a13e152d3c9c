"""Rules on packages of channels: which builds may be had, and which channel may bring which names."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from sekisho.model import Reason, Slug
from sekisho.model.match_spec import MatchSpec, build_of
from sekisho.policy.rules.base import BaseRule, Case

_spec = lru_cache(maxsize=4096)(MatchSpec.parse)


class Build(BaseRule):
    """The build of a channel's package is not one to have: match specs (CEP 29) say which, whose names may hold a
    ``*``. ``refuse`` names builds, as ``pytorch=*=*cuda11*`` or ``*[build=*mkl*]``; ``only`` those of which a package
    that one of them names must be, as ``pytorch=*=*cuda12*`` and ``libblas=*=*openblas``.
    """  # noqa: D205

    check: Literal["build"]
    refuse: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @field_validator("refuse", "only")
    @classmethod
    def _are_specs(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        for text in specs:
            MatchSpec.parse(text)
        return specs

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.refuse and not self.only:
            message = "it needs refuse, only, or both"
            raise ValueError(message)
        return self

    def look(self, case: Case) -> Reason | None:
        """Answer with the build and what speaks against it."""
        artifact = case.artifact
        if artifact.kind != "conda":
            return None
        for text in self.refuse:
            if _spec(text).matches(artifact):
                return self.reason(f"build {build_of(artifact)} is one of {text}")
        about = [text for text in self.only if MatchSpec(_spec(text).name).matches(artifact)]
        if not about or any(_spec(text).matches(artifact) for text in about):
            return None
        return self.reason(f"build {build_of(artifact)} is none of {', '.join(about[:3])}")


class Channel(BaseRule):
    """The channel may not bring this name: ``may`` says by channel which names it may, as ``[bio*, samtools]``. One
    that is not in it may bring none.
    """  # noqa: D205

    check: Literal["channel"]
    may: Annotated[Mapping[Slug, tuple[str, ...]], Field(min_length=1)]

    def look(self, case: Case) -> Reason | None:
        """Answer for a package of a channel whose names do not include it."""
        artifact = case.artifact
        if artifact.kind != "conda":
            return None
        names = self.may.get(artifact.source)
        if names is None:
            return self.reason(f"channel {artifact.source} may bring nothing")
        if any(fnmatchcase(artifact.project, pattern) for pattern in names):
            return None
        return self.reason(f"channel {artifact.source} may not bring {artifact.project}")
