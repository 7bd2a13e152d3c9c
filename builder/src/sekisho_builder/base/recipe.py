"""``images/<name>/base.yaml`` and ``packages.lock``: what a base image is built from."""

import re
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from sekisho.allowlist import load_yaml
from sekisho.errors import BadInputError, NotFoundError
from sekisho.model import Record, Target, canonical_json, sha256_hex

BASE_FORMAT = 2
"""Raise this whenever the same recipe gives other bytes."""

Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
Glob = Annotated[str, StringConstraints(pattern=r"^/[\w./*+@-]+$")]
_LINE = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]+)=(?P<version>[A-Za-z0-9.+:~-]+)$")


class User(Record):
    """The user that jobs run as; its group has the same name and number."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    uid: Annotated[int, Field(gt=0, lt=60000)]
    home: Annotated[str, StringConstraints(pattern=r"^/[a-z0-9/._-]+$")]


class Recipe(Record):
    """A base image.

    ``packages`` come with all they depend on, and with Debian's essential ones. ``never`` names packages that must
    not be chosen to satisfy a dependency. ``drop`` and ``keep`` are dpkg's path globs; ``source_date_epoch`` is in
    seconds and bounds every file's time.
    """

    suite: Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
    packages: Annotated[tuple[Package, ...], Field(min_length=1)]
    never: tuple[Package, ...] = ()
    source_date_epoch: Annotated[int, Field(ge=0, alias="source-date-epoch")]
    drop: tuple[Glob, ...] = ()
    keep: tuple[Glob, ...] = ()
    user: User

    model_config = Record.model_config | {"populate_by_name": True}


class Versions(NamedTuple):
    """The exact version of every package of a root, by name."""

    by_name: dict[str, str]

    def text(self) -> str:
        """Return the form that ``packages.lock`` keeps: ``name=version`` lines, sorted."""
        return "".join(f"{name}={version}\n" for name, version in sorted(self.by_name.items()))

    def check(self, target: Target, *, python: bool = True, where: str) -> None:
        """Raise ``BadInputError`` unless the C library is the target's, and Python where the base's is used."""
        minor = ".".join(map(str, target.python_minor))
        wanted_here = {f"python{minor}-minimal": target.python} if python else {}
        for package, wanted in (wanted_here | {"libc6": target.glibc}).items():
            found = self.by_name.get(package, "").partition("-")[0]
            if found != wanted:
                raise BadInputError(
                    f"the base has {package} {found or 'nowhere'}, and the image's target wants {wanted}",
                    where=where,
                    todo="correct `target` in image.yaml, or choose another base",
                )


def read_recipe(folder: Path) -> Recipe:
    """Read ``base.yaml``; raise ``NotFoundError`` or ``BadInputError``."""
    path = folder / "base.yaml"
    if not path.is_file():
        raise NotFoundError(f"there is no base {folder.name!r}", where=str(path))
    return Recipe.parse(load_yaml(path.read_text(), where=str(path)), where=str(path))


def read_versions(path: Path) -> Versions:
    """Read ``packages.lock``; a missing file is an empty lock."""
    found: dict[str, str] = {}
    text = path.read_text() if path.is_file() else ""
    for number, line in enumerate(text.splitlines(), 1):
        row = _LINE.fullmatch(line.strip())
        if row is None or row["name"] in found:
            raise BadInputError("not a new `name=version`", where=f"{path}, line {number}")
        found[row["name"]] = row["version"]
    return Versions(found)


def parse_status(status: str) -> Versions:
    """Read dpkg's status file: the versions of what is installed."""
    found: dict[str, str] = {}
    for paragraph in status.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines() if not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields["Version"]
    return Versions(found)


def base_key(recipe: Recipe, versions: Versions) -> str:
    """Return the name of the base in the cache: the digest of all that it is made from."""
    return sha256_hex(canonical_json([BASE_FORMAT, recipe.plain(), versions.text()]))
