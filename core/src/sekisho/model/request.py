"""What a requester asks."""

from typing import Annotated

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import Field, field_validator

from sekisho.model.base import Moment, Record
from sekisho.model.identity import EVERYONE, Kind, Slug
from sekisho.model.target import Target


class Request(Record):
    """A person's words: these requirements, on this target, for this workspace.

    ``image`` names the image definition that the closure is meant for, if any.
    """

    requester: Annotated[str, Field(min_length=1, max_length=200)]
    workspace: Slug = EVERYONE
    kind: Kind = "pypi"
    requirements: Annotated[tuple[str, ...], Field(min_length=1, max_length=5000)]
    target: Target
    image: Slug | None = None
    resolve_before: Moment | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""
    at: Moment

    @field_validator("requirements")
    @classmethod
    def _name_projects(cls, requirements: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what names no project of a source: a direct URL, a VCS address, a path, an option.

        A resolver reads requirements line by line, so none may hold a line break, as a marker's string can.
        """
        for text in requirements:
            if not text.isprintable():
                message = f"{text[:80]!r} holds a character that cannot be printed"
                raise ValueError(message)
            try:
                wanted = Requirement(text)
            except InvalidRequirement as error:
                message = f"{text[:80]!r} is not a requirement: {str(error).splitlines()[0]}"
                raise ValueError(message) from error
            if wanted.url:
                message = f"{text[:80]!r} names an address; only projects of a source can be judged"
                raise ValueError(message)
        return requirements
