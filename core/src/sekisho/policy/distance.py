"""Names that pass for other names: one slip of the finger, or letters and separators that look alike.

A name is found through the strings that are left when one letter is taken out of it, so that a look costs as much as
the name is long, however many names there are.
"""

import re
from collections.abc import Iterable, Iterator

_SHORTEST = 5
"""Below this, one letter makes another word, and not a slip."""

_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "-": None, "_": None, ".": None})
_DIGITS_AT_END = re.compile(r"\d*$")


class Names:
    """A set of names that nothing may imitate, ready to be asked."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self._looks: dict[str, str] = {}
        self._shorter: dict[str, list[str]] = {}
        self._answers: dict[str, str | None] = {}
        for name in sorted(self.names):
            self._looks.setdefault(_look(name), name)
            if len(name) >= _SHORTEST - 1:
                for shorter in (name, *_shorter(name)):
                    self._shorter.setdefault(shorter, []).append(name)

    def imitated_by(self, name: str) -> str | None:
        """Return a name that ``name`` could be taken for; nothing if it is itself one of them."""
        if name in self.names or not self.names:
            return None
        if name not in self._answers:
            if len(self._answers) > 100_000:
                self._answers.clear()
            self._answers[name] = self._find(name)
        return self._answers[name]

    def _find(self, name: str) -> str | None:
        alike = self._looks.get(_look(name))
        if alike is not None:
            return alike
        if len(name) < _SHORTEST:
            return None
        near = {known for shorter in (name, *_shorter(name)) for known in self._shorter.get(shorter, ())}
        return min((known for known in near if is_slip(name, known) and not _is_series(name, known)), default=None)


def _look(name: str) -> str:
    return name.translate(_ALIKE).replace("rn", "m").replace("vv", "w")


def _shorter(name: str) -> Iterator[str]:
    for place in range(len(name)):
        yield name[:place] + name[place + 1 :]


def is_slip(one: str, other: str) -> bool:
    """Tell whether one letter was left out, added, exchanged, or swapped with its neighbour."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, its_rest = one[start:], other[start:]
    if len(rest) != len(its_rest):
        longer, shorter = sorted((rest, its_rest), key=len, reverse=True)
        return longer[1:] == shorter
    return rest[1:] == its_rest[1:] or (rest[:2] == its_rest[1::-1] and rest[2:] == its_rest[2:])


def _is_series(one: str, other: str) -> bool:
    """Tell whether two names differ by the number at their end only: ``boto`` and ``boto3`` are both real."""
    return _DIGITS_AT_END.sub("", one) == _DIGITS_AT_END.sub("", other)
