"""Image definitions on disk."""

from pathlib import Path

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError, NotFoundError
from sekisho.model import ImageDefinition, Target, canonical_json, sha256_hex

DEFINITION = "image.yaml"
"""The file of a definition's folder that is the definition itself."""

VERIFY_FOLDER = "verify"
"""The folder beside an image definition that holds the scripts which an image must pass."""


def definition_for(folder: Path, target: Target) -> ImageDefinition:
    """Return the first definition, by name, that is for ``target``; raise ``NotFoundError`` if there is none."""
    for path in sorted(folder.glob(f"*/{DEFINITION}")):
        if (found := read_definition(folder, path.parent.name)).target == target:
            return found
    raise NotFoundError(
        f"no image definition is for {target}, so there is no base that a wheel could be built on",
        where=str(folder),
        todo="ask for an image, or for the target of one",
    )


def read_definition(folder: Path, name: str) -> ImageDefinition:
    """Read ``<folder>/<name>/image.yaml``; raise ``NotFoundError`` naming those that there are, if it is not there."""
    path = folder / name / DEFINITION
    if not path.is_file():
        known = sorted(path.parent.name for path in folder.glob(f"*/{DEFINITION}"))
        raise NotFoundError(
            f"there is no image definition {name!r}",
            where=str(path),
            todo=f"use one of {', '.join(known) or '(none)'}, or set SEKISHO_IMAGES",
        )
    definition = ImageDefinition.parse(load_yaml(path.read_text(), where=str(path)), where=str(path))
    if definition.name != name:
        raise BadInputError(f"the definition is named {definition.name!r}", where=str(path))
    return definition


def verify_digest(folder: Path, name: str) -> str:
    """Return a digest of the names and contents of everything in ``<folder>/<name>/verify/``, or of nothing."""
    root = folder / name / VERIFY_FOLDER
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sha256_hex(canonical_json({str(path.relative_to(root)): sha256_hex(path.read_bytes()) for path in files}))
