"""Where packages go: a virtual environment over the base's Python, or a conda environment that has its own."""

from typing import NamedTuple, Self

from sekisho.errors import BadInputError
from sekisho.lock import Lock
from sekisho.model import Artifact, ImageDefinition, conda_record

PYTHON = "python"
"""The conda package that is a Python."""


class Environment(NamedTuple):
    """``prefix`` is the environment's folder as tar wants it, without a leading slash; ``python`` is major and minor.

    ``packages`` is site-packages below the prefix where the environment's Python has it elsewhere than usual (CEP 17).
    ``known_as`` is what programs call the prefix where that is not its place in the tar; in an archive that can be
    unpacked anywhere, packages keep their placeholders (``movable``).
    """

    prefix: str
    python: str
    packages: str = ""
    known_as: str = ""
    movable: bool = False

    @classmethod
    def of(cls, definition: ImageDefinition, lock: Lock) -> Self:
        """Return the environment of an image."""
        minor = ".".join(map(str, definition.target.python_minor))
        return cls(definition.prefix.strip("/"), minor, packages_path(lock))

    @property
    def site(self) -> str:
        """Return the site-packages folder."""
        return f"{self.prefix}/{self.packages or f'lib/python{self.python}/site-packages'}"

    @property
    def home(self) -> str:
        """Return what programs call the prefix: an absolute path."""
        return self.known_as or f"/{self.prefix}"


def locked_python(lock: Lock) -> Artifact | None:
    """Return the Python of a lock's conda packages, if it has one."""
    return next((package for package in lock.of("conda") if package.project == PYTHON), None)


def packages_path(lock: Lock) -> str:
    """Return where a lock's Python has its site-packages below the prefix, if not in the usual place (CEP 17)."""
    python = locked_python(lock)
    path = str(conda_record(python).get("python_site_packages_path", "")) if python else ""
    if path and {"", ".", ".."} & set(path.split("/")):
        raise BadInputError(f"{path!r} cannot be where Python has its packages", where=f"lock {lock.name}: python")
    return path
