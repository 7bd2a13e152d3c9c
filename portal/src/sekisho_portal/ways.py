"""What would make a request pass, in lines for a person: which approvals, and what to have instead. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sekisho.model import Alternative, Change, Request

_MOST = 12
_FEWEST = "needs approvals of fewer conda packages"
_LEAST = f"has fewer conda packages that are denied, or {_FEWEST}"


def way_lines(
    needs: Mapping[str, Sequence[str]],
    alternative: Alternative | None,
    asked: Request,
    *,
    searching: bool,
    fewest: bool = False,
    looked: datetime | None = None,
) -> list[str]:
    """Say what stands in the way, and the nearest answer of which the policy allows more.

    An alternative does not heed what binds a request, constraints and hashes. ``fewest`` tells that no other answer
    holds fewer conda packages that are denied, or needs approvals of fewer, as it was when somebody ``looked``.
    """
    lines = []
    if needs["deny"]:
        lines.append(f"no approval admits {_some(needs['deny'])}")
    if needs["review"]:
        also = "and what would still need an approval" if needs["deny"] else "it passes once somebody approves"
        lines.append(f"{also}: {_some(needs['review'])}")
    if fewest:
        lines.append(f"no other answer to it {_LEAST if needs['deny'] else _FEWEST}{_at(looked)}")
    if searching:
        lines.append("the builder is looking for something to have instead")
    if alternative is None:
        return lines
    before, after = (*asked.conda, *asked.requirements), (*alternative.conda, *alternative.requirements)
    if before == after:
        bound = asked.constraints or asked.hashes
        how = " with other pins in what binds it" if bound else " again; it can be had otherwise"
        lines.append(f"instead: ask for the same{how}")
    else:
        lines.append(f"instead: ask for {_some(_quoted(after, before))}")
    lines.append(f"  that is {_some([_change(row) for row in alternative.changes])}")
    left = [f"approval of {_some(alternative.review)}"] if alternative.review else []
    left += [f"no denial of {_some(alternative.deny)}"] if alternative.deny else []
    what = f"it needs {' and '.join(left)}" if left else "the policy allows all of it"
    least = f" (no other answer {_LEAST if alternative.deny else _FEWEST}{_at(looked)})" if alternative.fewest else ""
    lines.append(f"  {what}, as far as it is known before an inspection{least}")
    return lines


def _at(looked: datetime | None) -> str:
    """Say of when it is: what else is approved, denied, published or old enough since then is not in it."""
    return f", as of {looked.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if looked else ""


def _quoted(requirements: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return what is different in another list of requirements; the rest is as it was asked for."""
    return [
        f"{after!r} in place of {before!r}"
        for before, after in zip(asked, requirements, strict=True)
        if before != after
    ]


def _change(row: Change) -> str:
    if row.before is None:
        return f"{row.project} {row.after} more"
    if row.after is None:
        return f"no {row.project}"
    return f"{row.project} {row.after} instead of {row.before}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST
    return f"{', '.join(names[:_MOST])} and {more} more" if more > 0 else ", ".join(names)
