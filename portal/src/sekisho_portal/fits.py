"""What an approved file runs on, by its name (PEP 425) and its Requires-Python. Pure."""

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from sekisho.errors import BadInputError
from sekisho.model import Artifact, MatchSpec, build_of, match_spec, needs_of


def fits(artifact: Artifact, python: str) -> bool:
    """Tell whether CPython ``python`` (as 3.12 or 3.12.4) can install the file; platforms are not looked at.

    A package of a channel says it by what it depends on, if it depends on a Python at all.
    """
    if artifact.kind == "conda":
        return all(spec.version is None or spec.version.contains(python) for spec in _pythons(artifact))
    try:
        required = SpecifierSet(artifact.index.get("requires-python", ""))
    except InvalidSpecifier:
        required = SpecifierSet()
    major, minor, *_ = (int(part) for part in python.split("."))
    return required.contains(python, prereleases=True) and any(
        _runs(tag, (major, minor)) for tag in _tags(artifact)
    )  # fmt: skip


def _pythons(artifact: Artifact) -> list[MatchSpec]:
    try:
        found = [match_spec(text) for text in needs_of(artifact)]
    except BadInputError:
        return []
    return [spec for spec in found if spec is not None and spec.name == "python"]


def _tags(artifact: Artifact) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(artifact.filename)[3]
    except InvalidWheelFilename:
        return frozenset({Tag("py3", "none", "any")})


def _runs(tag: Tag, python: tuple[int, int]) -> bool:
    interpreter = f"cp{python[0]}{python[1]}"
    known = {*cpython_tags(python, platforms=[tag.platform])}
    return tag in known or tag in {*compatible_tags(python, interpreter, platforms=[tag.platform])}


def runs_on(artifact: Artifact) -> str:
    """Return in words what a file is for."""
    if artifact.kind == "conda":
        asked = [str(spec.version) for spec in _pythons(artifact) if spec.version]
        where = artifact.path.partition("/")[0]
        return f"build {build_of(artifact)} on {where}" + (f", Python {' and '.join(asked)}" if asked else "")
    tags = sorted(_tags(artifact), key=str)
    pythons = sorted({_python(tag) for tag in tags})
    platforms = sorted({tag.platform for tag in tags} - {"any"})
    where = ", ".join(platforms) if platforms else "any platform"
    required = artifact.index.get("requires-python")
    return f"{' or '.join(pythons)} on {where}" + (f", Python {required}" if required else "")


def _python(tag: Tag) -> str:
    number = tag.interpreter.lstrip("abcdefghijklmnopqrstuvwxyz")
    if tag.interpreter.startswith("py"):
        return f"any Python {number}" if len(number) == 1 else f"Python {number[0]}.{number[1:]}"
    if tag.interpreter.startswith("cp") and len(number) > 1:
        later = " or newer" if tag.abi == "abi3" else ""
        return f"CPython {number[0]}.{number[1:]}{later}"
    return tag.interpreter
