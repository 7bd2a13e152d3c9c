"""The pages of several sources as one: each project's page comes whole from one of them."""

from collections.abc import Callable, Sequence

from sekisho.errors import NotFoundError
from sekisho_proxy.upstream.source import Page, Pages


class OrderedPages:
    """Pages of the first source, in order, that has the project; ``asked`` says which may be asked for it.

    Files of two sources are never mixed on one page. A source that fails is not passed over either: what comes behind
    it could offer something else under the same name.
    """

    def __init__(self, asked: Callable[[str], Sequence[Pages]]) -> None:
        self._asked = asked

    async def page(self, project: str) -> Page:
        """Return the page; raise what the first source that does not plainly lack the project raises."""
        sources = self._asked(project)
        missing: NotFoundError | None = None
        for pages in sources:
            try:
                return await pages.page(project)
            except NotFoundError as error:
                missing = error
        if missing is not None and len(sources) == 1:
            raise missing
        raise NotFoundError(f"no source has {project}", where=project, todo="check the spelling, and sources.yaml")
