"""Which of some releases is nearest to one that may not be had."""

from collections.abc import Iterable

from packaging.version import Version

from sekisho.model.conda_version import CondaVersion, conda_version
from sekisho.model.identity import Kind


def nearest(release: str | None, others: Iterable[str], *, kind: Kind = "pypi") -> str | None:
    """Return the release nearest to one that may not be had; of two that are as near, the newer.

    Near is what differs late: 1.4.2 is nearer to 1.4.9 than to 1.5.0. Without a release to be near to, the newest.
    """
    if kind == "conda":
        return _nearest_package(release, others)
    known = {}
    for text in others:
        try:
            known[text] = Version(text)
        except ValueError:  # InvalidVersion, or a number that Python does not read
            continue
    if not known:
        return None
    try:
        wanted = Version(release) if release else None
    except ValueError:  # InvalidVersion, or a number that Python does not read
        wanted = None
    if wanted is None:
        return max(known, key=lambda text: (not known[text].is_prerelease, known[text]))
    return min(known, key=lambda text: (_distance(known[text], wanted), known[text].is_prerelease, _newer(known[text])))


def _distance(one: Version, other: Version) -> tuple[int, ...]:
    longest = max(len(one.release), len(other.release))
    first, second = ((*each.release, *[0] * (longest - len(each.release))) for each in (one, other))
    return (abs(one.epoch - other.epoch), *(abs(a - b) for a, b in zip(first, second, strict=True)))


def _newer(version: Version) -> tuple[int, ...]:
    return tuple(-part for part in (version.epoch, *version.release))


def _nearest_package(release: str | None, others: Iterable[str]) -> str | None:
    """Return the same of versions of a channel, by their own order (CEP 33)."""
    known: dict[str, CondaVersion] = {}
    for text in others:
        try:
            known[text] = conda_version(text)
        except ValueError:
            continue
    try:
        wanted = conda_version(release) if release else None
    except ValueError:
        wanted = None
    if wanted is None:
        return max(known, key=lambda text: (not known[text].is_early, known[text]), default=None)
    newest_first = sorted(known, key=lambda text: known[text], reverse=True)  # of equals, the first is taken
    return min(newest_first, key=lambda text: (_apart(known[text], wanted), known[text].is_early), default=None)


def _apart(one: CondaVersion, other: CondaVersion) -> tuple[int, ...]:
    longest = max(len(one.numbers), len(other.numbers))
    first, second = ((*each.numbers, *[0] * (longest - len(each.numbers))) for each in (one, other))
    return tuple(abs(a - b) for a, b in zip(first, second, strict=True))
