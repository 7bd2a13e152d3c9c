"""The records of advisories, each as small as its uses allow: there are tens of thousands of them."""

from typing import Literal, NamedTuple

FeedName = Literal["osv", "kev", "epss"]
"""Advisories and malicious packages (OSV), what is known to be exploited (CISA's KEV), how likely that is (EPSS)."""

FEEDS: tuple[str, ...] = ("osv", "kev", "epss")

ImportName = Literal["osv", "kev", "epss", "conda"]
"""What can be imported: the feeds, and what conda packages are called in the index."""

IMPORTS: tuple[str, ...] = (*FEEDS, "conda")


class Advisory(NamedTuple):
    """What is known of one weakness, under whatever ``names`` (its ids and aliases); the first is the one to show.

    ``score`` is the gravest CVSS base score that any of them states, in tenths (98 is 9.8), or ``None``, which is
    unknown and not harmless. ``epss`` is a probability in hundred-thousandths.
    """

    names: tuple[str, ...]
    score: int | None = None
    malicious: bool = False
    exploited: bool = False
    epss: int | None = None
    summary: str = ""

    @property
    def id(self) -> str:
        """Return the name to show."""
        return self.names[0]


class Range(NamedTuple):
    """Releases from ``start`` (``None``: the very first) up to ``end`` (``None``: for ever); ``upto`` includes it."""

    start: str | None
    end: str | None
    upto: bool = False


class Affected(NamedTuple):
    """Which releases of one project an advisory concerns.

    ``versions`` are named one by one, separated by spaces: they are many, and rarely read. ``fixed`` are the
    releases that mend it. ``vague`` is one that says of nothing, or in terms that nobody can compare, which releases.
    """

    advisory: int
    versions: str = ""
    ranges: tuple[Range, ...] = ()
    fixed: tuple[str, ...] = ()
    vague: bool = False


class Hit(NamedTuple):
    """An advisory that concerns a release. ``certain`` is false where it may, as nobody can tell from what it says."""

    advisory: Advisory
    fixed: tuple[str, ...]
    certain: bool = True
