"""Wheels of an index as conda packages: real projects with their native code, as a recipe of a channel would pack them.

A pure wheel becomes ``noarch: python`` with its entry points, another one a package of ``linux-64`` with its programs
written out, as conda-build does. What it depends on is what its METADATA says, in the channel's names. The same wheel
always becomes the same bytes, and is kept by its hash.
"""

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.channels.cpython import KEPT, keep
from tests.channels.packages import PLACEHOLDER, Package, make_package

RECIPE = 1
"""Counted up when what is below makes other bytes."""

NAMES = {
    "docker": "docker-py",
    "matplotlib": "matplotlib-base",
    "tzdata": "python-tzdata",
    "typing-extensions": "typing_extensions",
}
"""What conda-forge calls projects of the index, where that is another name."""

_LICENCES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2.0 license": "Apache-2.0",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "isc license (iscl)": "ISC",
}
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")
_LICENCE_FILE = re.compile(r"[^/]+\.dist-info/(?:licenses/(.+)|((?:LICEN[CS]E|COPYING|NOTICE)[^/]*))", re.IGNORECASE)


@dataclass(frozen=True)
class WheelFile:
    """A wheel on the disk, and what is in it."""

    path: Path
    sha256: str

    @cached_property
    def members(self) -> Mapping[str, bytes]:
        with zipfile.ZipFile(self.path) as archive:
            return {name: archive.read(name) for name in sorted(archive.namelist()) if not name.endswith("/")}

    @cached_property
    def info(self) -> str:
        """The folder with the metadata, as it is called."""
        return next(name.partition("/")[0] for name in self.members if name.endswith(".dist-info/METADATA"))

    @cached_property
    def metadata(self) -> Metadata:
        return Metadata.from_email(self.members[f"{self.info}/METADATA"], validate=False)

    @property
    def project(self) -> str:
        return str(parse_wheel_filename(self.path.name)[0])

    @property
    def pure(self) -> bool:
        return {tag.platform for tag in parse_wheel_filename(self.path.name)[3]} == {"any"}

    @cached_property
    def programs(self) -> tuple[str, ...]:
        """Entry points as ``name = module:function``."""
        parser = ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(self.members.get(f"{self.info}/entry_points.txt", b"").decode())
        rows = parser["console_scripts"].items() if parser.has_section("console_scripts") else ()
        return tuple(f"{name} = {value.partition('[')[0].strip()}" for name, value in rows)

    def needs(self, extras: frozenset[str]) -> Iterator[Requirement]:
        """Yield what it needs on this Python, with what it needs for ``extras``."""
        for wanted in self.metadata.requires_dist or ():
            places = [{"extra": extra} for extra in ("", *sorted(extras))]
            if wanted.marker is None or any(wanted.marker.evaluate(place) for place in places):
                yield wanted


def repacked(
    wheel: WheelFile, minor: str, extras: frozenset[str] = frozenset(), keep_in: Path = KEPT / "wheels"
) -> Package:
    """Return a wheel as a package for Python ``minor``; made once on a machine."""
    package = _described(wheel, minor, extras)
    key = hashlib.sha256(f"{RECIPE} {wheel.sha256} {minor} {package.index}".encode()).hexdigest()[:20]
    kept = keep_in / f"{package.stem}-{key}.conda"
    if not kept.is_file():
        site = "site-packages" if wheel.pure else f"lib/python{minor}/site-packages"
        files = dict(_files(wheel, site, minor))
        files[f"{site}/{wheel.info}/INSTALLER"] = b"conda\n"
        files[f"{site}/{wheel.info}/RECORD"] = _record(files, site, f"{site}/{wheel.info}/RECORD")
        executable = frozenset(path for path in files if path.startswith("python-scripts/"))
        keep(kept, package.but(files=files, executable=executable).data)
    return package.but(files={}, spoilt=kept.read_bytes())


def _described(wheel: WheelFile, minor: str, extras: frozenset[str]) -> Package:
    told = wheel.metadata
    needs = sorted({_as_spec(wanted) for wanted in wheel.needs(extras)})
    python = _as_spec(Requirement(f"python{told.requires_python or ''}"))
    own = "py_0" if wheel.pure else f"py{minor.replace('.', '')}_0"
    homes = (told.project_urls or {}).values()
    return make_package(
        NAMES.get(wheel.project, wheel.project),
        str(parse_wheel_filename(wheel.path.name)[1]),
        build=own,
        subdir="noarch" if wheel.pure else "linux-64",
        noarch="python",
        depends=(python, *needs) if wheel.pure else (f"python {minor}.*", *needs, *_glibc(wheel)),
        entry_points=wheel.programs if wheel.pure else (),
        license=_licence(told),
        about={"summary": told.summary or "", "home": told.home_page or next(iter(homes), "")},
        info={f"info/licenses/{name}": data for name, data in _licence_files(wheel)},
        level=6,
    )


def _glibc(wheel: WheelFile) -> Iterator[str]:
    """Yield what its tags ask of the C library, as a virtual package."""
    found = re.findall(r"manylinux_(\d+)_(\d+)_x86_64", wheel.path.name)
    if found:
        yield "__glibc >={}.{}".format(*min(found, key=lambda pair: (int(pair[0]), int(pair[1]))))


def _as_spec(wanted: Requirement) -> str:
    name = str(canonicalize_name(wanted.name))
    return f"{NAMES.get(name, name)} {_versions(wanted.specifier)}".strip()


def _versions(wanted: SpecifierSet) -> str:
    """Return a specifier set as conda's version spec (CEP 29)."""
    return ",".join(sorted(str(one).removeprefix("==") if str(one).endswith(".*") and str(one)[0] == "=" else str(one)
                           for one in wanted))  # fmt: skip


def _licence(told: Metadata) -> str:
    """Return what a recipe would say: SPDX where the metadata says so in some way, else its own words."""
    if told.license_expression:
        return str(told.license_expression)
    said = [row.rpartition(" :: ")[2] for row in told.classifiers or () if row.startswith("License :: ")]
    said = [row for row in said if row != "OSI Approved"]
    own = (told.license or "").strip()
    for text in (own, *said):
        if text.lower() in _LICENCES:
            return _LICENCES[text.lower()]
    if _SPDX.fullmatch(own):
        return own
    return (own or "unknown").splitlines()[0][:80]


def _licence_files(wheel: WheelFile) -> Iterator[tuple[str, bytes]]:
    for path, data in wheel.members.items():
        if found := _LICENCE_FILE.fullmatch(path):
            yield found[1] or found[2], data


def _files(wheel: WheelFile, site: str, minor: str) -> Iterator[tuple[str, bytes]]:
    """Yield what it installs; programs of a package that is not noarch are written out."""
    data = f"{wheel.info.removesuffix('.dist-info')}.data/"
    for path, content in wheel.members.items():
        if path == f"{wheel.info}/RECORD":
            continue
        if not path.startswith(data):
            yield f"{site}/{path}", content
            continue
        part, _, rest = path.removeprefix(data).partition("/")
        home = _HOMES[part](site, minor, wheel)
        yield f"{home}{rest}", _runnable(content) if part == "scripts" else content
    for row in () if wheel.pure else wheel.programs:
        name, _, place = row.partition(" = ")
        module, _, function = place.partition(":")
        yield f"bin/{name}", _program(module, function)


_HOMES: Mapping[str, Callable[[str, str, WheelFile], str]] = {
    "purelib": lambda site, _minor, _wheel: f"{site}/",
    "platlib": lambda site, _minor, _wheel: f"{site}/",
    "scripts": lambda _site, _minor, wheel: "python-scripts/" if wheel.pure else "bin/",
    "data": lambda _site, _minor, _wheel: "",
    "headers": lambda _site, minor, wheel: f"include/python{minor}/{wheel.project}/",
}


def _runnable(script: bytes) -> bytes:
    first, line, rest = script.partition(b"\n")
    return f"#!{PLACEHOLDER}/bin/python".encode() + line + rest if first.startswith(b"#!python") else script


def _program(module: str, function: str) -> bytes:
    text = f"#!{PLACEHOLDER}/bin/python\nimport sys\n\nfrom {module} import {function.partition('.')[0]}\n\n"
    return f'{text}if __name__ == "__main__":\n    sys.exit({function}())\n'.encode()


def _record(files: Mapping[str, bytes], site: str, own: str) -> bytes:
    """Return RECORD anew: what installed it wrote INSTALLER, and programs are elsewhere than in the wheel."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    up = "../../../"
    for path, data in files.items():
        where = (
            path.removeprefix(f"{site}/")
            if path.startswith(f"{site}/")
            else up + path.replace("python-scripts/", "bin/")
        )
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if PLACEHOLDER.encode() in data:  # an installer changes it
            rows.writerow([where, "", ""])
        elif path != own:
            rows.writerow([where, f"sha256={digest}", len(data)])
    rows.writerow([own.removeprefix(f"{site}/"), "", ""])
    return text.getvalue().encode()
