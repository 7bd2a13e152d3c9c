"""What was refused, in the words in which it is counted. Every name in it comes from whoever asked."""

import re
from typing import NamedTuple

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from sekisho.errors import BadInputError, RefusedError
from sekisho.model import OTHERS, RELEASE_TEXT, Kind, normalize_project
from sekisho.model.conda import PackageName

_LONGEST_NAME = 300
_LONGEST_RELEASE = 64
NOTE_EPOCH = 9999
"""The epoch of the versions that are words for pip, and no releases."""


class Refusal(NamedTuple):
    """Something that ``workspace`` may not have by ``rule``. ``release`` is empty where none was named.

    ``served`` is one that would have been, in mode ``enforce``.
    """

    workspace: str
    kind: Kind
    project: str
    release: str
    rule: str
    served: bool = False


class NotAdmittedError(RefusedError):
    """The gate's no. It carries what is counted."""

    def __init__(self, what: str, refusal: Refusal, *, where: str = "", todo: str = "") -> None:
        super().__init__(what, where=where, todo=todo)
        self.refusal = refusal


def refusal_of(workspace: str, kind: Kind, project: str, rule: str, *, path: str = "", release: str = "") -> Refusal:
    """Return what is counted: names in their one spelling, and nothing of what is no name or release at all.

    Without a ``release`` it is the one that the name of the file at ``path`` states.
    """
    try:
        name = normalize_project(kind, project)
    except BadInputError:
        return Refusal(workspace, kind, OTHERS, "", rule)
    found = release or release_of(path.rpartition("/")[2], kind)
    return Refusal(workspace, kind, name, found if re.fullmatch(RELEASE_TEXT, found) else "", rule)


def release_of(filename: str, kind: Kind = "pypi") -> str:
    """Return the release that a file's name states, or nothing. A note's is no release."""
    if len(filename) > _LONGEST_NAME or kind == "huggingface":
        return ""
    if kind == "conda":
        return _conda_release_of(filename)
    try:
        wheel = filename.endswith(".whl")
        version = parse_wheel_filename(filename)[1] if wheel else parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""
    found = str(version)
    return "" if version.epoch == NOTE_EPOCH or len(found) > _LONGEST_RELEASE else found


def _conda_release_of(filename: str) -> str:
    try:
        return PackageName.parse(filename).version
    except BadInputError:
        return ""
