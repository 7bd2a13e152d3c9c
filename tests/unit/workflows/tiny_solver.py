"""A complete resolver for tiny indexes, in a few lines: it tries every release, the preferred and the newest first."""

from packaging.requirements import Requirement
from packaging.version import Version

from sekisho.errors import UnresolvableError
from sekisho_builder.solver import Pin


class TinySolver:
    """Answers wishes from an index: (project, release) → requirements. Takes no pre-release that is not wished for."""

    def __init__(self, index):
        self._index = index
        self.asked = []

    def __call__(self, wish):
        self.asked.append(wish)
        found = self._search(wish, [(text, None) for text in wish.requirements], {})
        if found is None:
            raise UnresolvableError(f"No solution found: {', '.join(wish.requirements)}")
        via = {project: tuple(sorted(above)) for project, (_, above) in found.items()}
        return [Pin(project, found[project][0], via[project]) for project in sorted(found)]

    def _search(self, wish, left, chosen):
        if not left:
            return chosen
        (text, above), rest = left[0], left[1:]
        wanted = Requirement(text)
        name = wanted.name
        if name in chosen:
            release, known = chosen[name]
            if not wanted.specifier.contains(release, prereleases=True):
                return None
            return self._search(wish, rest, {**chosen, name: (release, known | ({above} - {None}))})
        for release in self._candidates(wish, wanted):
            more = [(need, name) for need in self._index[name, release]]
            found = self._search(wish, [*rest, *more], {**chosen, name: (release, {above} - {None})})
            if found is not None:
                return found
        return None

    def _candidates(self, wish, wanted):
        out = set(wish.hidden.get(wanted.name, ()))
        fitting = [
            release
            for project, release in self._index
            if project == wanted.name
            and release not in out
            and wanted.specifier.contains(release, prereleases=bool(wanted.specifier.prereleases))
        ]
        first = set(wish.preferred.get(wanted.name, ()))
        return sorted(fitting, key=lambda release: (release in first, Version(release)), reverse=True)
