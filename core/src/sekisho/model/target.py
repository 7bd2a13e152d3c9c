"""What an artifact must run on."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from sekisho.model.base import Record


class Target(Record):
    """A full Python version on a platform.

    ``python`` is the full version (``3.11.2``), because markers may test it. ``glibc`` is the C library of the
    base image: the newest ``manylinux`` tag (PEP 600) that may be installed.
    """

    python: Annotated[str, StringConstraints(pattern=r"^3\.\d{1,2}\.\d{1,2}$")]
    os: Literal["linux"] = "linux"
    arch: Literal["x86_64", "aarch64"] = "x86_64"
    glibc: Annotated[str, StringConstraints(pattern=r"^2\.\d{1,2}$")]

    @property
    def python_minor(self) -> tuple[int, int]:
        """Return (3, minor)."""
        major, minor, _ = self.python.split(".")
        return int(major), int(minor)

    @property
    def glibc_version(self) -> tuple[int, int]:
        """Return (2, minor)."""
        major, minor = self.glibc.split(".")
        return int(major), int(minor)

    def __str__(self) -> str:
        return f"Python {self.python}, {self.os} {self.arch}, glibc {self.glibc}"
