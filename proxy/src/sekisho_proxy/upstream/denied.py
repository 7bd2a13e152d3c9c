"""Pages without what the policy denies outright."""

from collections.abc import Callable
from datetime import datetime

from packaging.requirements import Requirement

from sekisho.model import normalize_project
from sekisho.policy import Policy
from sekisho.policy.rules import Denied
from sekisho_proxy.upstream.listing import Listing
from sekisho_proxy.upstream.source import Page, Pages


class UndeniedPages:
    """A source's pages minus the files that ``Policy.hard_denial`` names."""

    def __init__(self, inner: Pages, policy: Policy, now: Callable[[], datetime]) -> None:
        self._inner = inner
        self._policy = policy
        self._named = _named(policy)
        self._now = now

    async def page(self, project: str) -> Page:
        """Return the page; its listing is the very one of the inner page when nothing is denied."""
        page = await self._inner.page(project)
        if project not in self._named:
            return page
        listing, now = page.listing, self._now()
        files = tuple(
            file
            for file in listing.files
            if (artifact := listing.artifact(file)) and self._policy.hard_denial(artifact, now) is None
        )
        return Page(Listing(listing.source, project, files, status=listing.status), page.checked, page.stale)


def _named(policy: Policy) -> frozenset[str]:
    """Return the projects that any denial names; all others need no look at each file."""
    denials = [rule for rule in policy.rules if isinstance(rule, Denied) and rule.kind == "pypi"]
    return frozenset(normalize_project("pypi", Requirement(text).name) for rule in denials for text in rule.projects)
