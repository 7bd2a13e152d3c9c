"""What an artifact must run on."""

from typing import Annotated, Literal

from packaging.markers import Marker
from pydantic import StringConstraints

from sekisho.model.base import Record

SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
"""What channels call the platform of each architecture (CEP 26)."""

KERNEL = "5.10"
"""Of Linux, the version that packages may count on. It is the machine's, not the image's, so the oldest one that
distributions still maintain is stated."""


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

    @property
    def subdir(self) -> str:
        """Return what channels call the platform (CEP 26)."""
        return SUBDIRS[self.arch]

    @property
    def virtual(self) -> tuple[tuple[str, str, str], ...]:
        """Return what is there that no channel has, as name, version and build (virtual packages, CEP 30): no GPU."""
        return (
            ("__unix", "0", "0"),
            ("__linux", KERNEL, "0"),
            ("__glibc", self.glibc, "0"),
            ("__archspec", "1", self.arch),
        )

    def markers(self) -> dict[str, str]:
        """Return what environment markers (PEP 508) see on this target."""
        return {
            "python_version": self.python.rpartition(".")[0],
            "python_full_version": self.python,
            "implementation_version": self.python,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.arch,
            "platform_release": "",
            "platform_version": "",
        }

    def fits(self, marker: Marker | None) -> bool:
        """Tell whether a requirement with this marker counts here; one without always does."""
        return marker is None or marker.evaluate(self.markers())

    def __str__(self) -> str:
        return f"Python {self.python}, {self.os} {self.arch}, glibc {self.glibc}"
