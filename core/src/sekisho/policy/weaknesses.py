"""What is known against approved releases, for those who ask and have no advisories themselves."""

from collections.abc import Iterable

from sekisho.model import Artifact, Record
from sekisho.policy.knowledge import Advisories

_KIND = "pypi"
"""The only kind of source whose clients ask an index for weaknesses."""


class Weakness(Record):
    """An advisory that concerns a release, not ``certain`` where it only may; ``fixed`` are releases that mend it."""

    project: str
    release: str
    names: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    summary: str = ""
    certain: bool = True


def known_against(artifacts: Iterable[Artifact], advisories: Advisories) -> tuple[Weakness, ...] | None:
    """Return what is known against the releases of ``artifacts``; ``None`` if no data covers them: that is not clean.

    A statement that an advisory does not matter here leaves it in: it is still what is known.
    """
    if not advisories.covers(_KIND):
        return None
    releases = {(one.project, one.release) for one in artifacts if one.kind == _KIND}
    return tuple(
        Weakness(
            project=project,
            release=release,
            names=hit.advisory.names,
            fixed=hit.fixed,
            summary=hit.advisory.summary,
            certain=hit.certain,
        )
        for project, release in sorted(releases)
        for hit in advisories.affecting(_KIND, project, release)
    )
