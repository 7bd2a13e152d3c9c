"""Which of some releases is nearest to one that may not be had."""

from collections.abc import Iterable

from packaging.version import Version


def nearest(release: str | None, others: Iterable[str]) -> str | None:
    """Return the release nearest to one that may not be had; of two that are as near, the newer.

    Near is what differs late: 1.4.2 is nearer to 1.4.9 than to 1.5.0. Without a release to be near to, the newest.
    """
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
