"""Project files as they were read last: after a commit, only what it changed is read and verified again."""

from collections.abc import Mapping
from typing import NamedTuple

from sekisho.allowlist import Allowlist, parse_project_file, parse_tree
from sekisho.signing import Trust


class _Reading(NamedTuple):
    text: str
    found: Allowlist


class Readings:
    """What the files of the tree were found to hold. Other trusted keys make every reading void."""

    def __init__(self) -> None:
        self._trust = ""
        self._kept: dict[str, _Reading] = {}

    def read(self, files: Mapping[str, str | None], trust: Trust) -> Allowlist:
        """Return what a tree admits, as ``parse_tree`` does."""
        if self._trust != (told := trust.stamp):
            self._trust, self._kept = told, {}
        fresh: dict[str, _Reading] = {}

        def project(text: str, *, path: str, trust: Trust) -> Allowlist:
            kept = self._kept.get(path)
            if kept is None or kept.text != text:
                kept = _Reading(text, parse_project_file(text, path=path, trust=trust))
            fresh[path] = kept
            return kept.found

        found = parse_tree(files, trust=trust, project=project)
        self._kept = fresh  # what is no longer in the tree is forgotten
        return found
