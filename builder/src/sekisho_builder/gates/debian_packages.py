"""The Debian packages of an image, as dpkg's records in its files state them."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from sekisho_builder.gates.contents import Contents

_STATUS = re.compile(r"var/lib/dpkg/(?:status|status\.d/(?!.*\.md5sums$)[^/]+)")
_FIELD = re.compile(r"([A-Za-z-]+):[ \t]*(.*)")
_FORMAT = re.compile(r"\AFormat(?:-Specification)?:", re.IGNORECASE)
_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_WORD = re.compile(r"\(|\)|,|[^\s(),]+")
_SPDX = {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "bsd-2-clauses": "BSD-2-Clause",
    "bsd-3-clauses": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "psf-2": "PSF-2.0",
    "python-2": "Python-2.0",
    "x11": "X11",
    "zlib": "Zlib",
    "zlib/libpng": "Zlib",
}
_GNU = re.compile(r"(gpl|lgpl|agpl|gfdl)-?v?(\d)(?:\.(\d))?(\+|-or-later|-only)?", re.IGNORECASE)
_OTHER = "LicenseRef-Debian-"


class DebianPackage(NamedTuple):
    """One package that dpkg knows. ``licences`` are those that its copyright file names, in SPDX's words.

    A name that SPDX does not have is a ``LicenseRef-Debian-…``. Without any, its copyright file is missing or not
    machine-readable (DEP 5), and the licence is unknown.
    """

    name: str
    version: str
    architecture: str
    source: str
    distribution: str
    licences: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Return the package URL (purl specification, type ``deb``)."""
        about = f"?arch={quote(self.architecture)}&distro={quote(self.distribution)}"
        vendor = self.distribution.partition("-")[0]
        return f"pkg:deb/{quote(vendor)}/{quote(self.name)}@{quote(self.version, safe='')}{about}"


class System(NamedTuple):
    """The operating system: ``name`` as ``debian-12``, and its packages in the order of their names."""

    name: str
    packages: tuple[DebianPackage, ...]


def read_system(contents: Contents) -> System:
    """Read dpkg's records, as a container sees them; an image without any has no packages."""
    name = _distribution(contents)
    found = {}
    for _, text in contents.texts(_STATUS):
        for fields in _paragraphs(text.decode(errors="replace")):
            words = fields.get("status", "install ok installed").split()
            if words[-1:] != ["installed"] or not fields.get("package") or not fields.get("version"):
                continue
            package = DebianPackage(
                name=fields["package"],
                version=fields["version"],
                architecture=fields.get("architecture", ""),
                source=fields.get("source", "").partition(" ")[0] or fields["package"],
                distribution=name,
                licences=_licences(contents.text(f"usr/share/doc/{fields['package']}/copyright")),
            )
            found[package.name, package.architecture] = package
    return System(name, tuple(found[key] for key in sorted(found)))


def _distribution(contents: Contents) -> str:
    text = contents.text("etc/os-release") or contents.text("usr/lib/os-release") or b""
    pairs = dict(line.partition("=")[::2] for line in text.decode(errors="replace").splitlines())
    words = [pairs.get(key, "").strip("\"' ") for key in ("ID", "VERSION_ID")]
    return "-".join(word for word in words if word)[:60] or "debian"


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the first lines of the fields of each paragraph (deb-control(5)), by lower-case name."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        rows = (_FIELD.match(line) for line in paragraph.splitlines())
        yield {row[1].lower(): row[2].strip() for row in rows if row}


def _licences(text: bytes | None) -> tuple[str, ...]:
    if text is None:
        return ()
    said = text.decode(errors="replace")
    if not _FORMAT.match(said.lstrip()):
        return ()
    return tuple(sorted({one for short in _LICENCE.findall(said) for one in _spdx(short.strip())}))


@lru_cache(maxsize=4096)
def _spdx(short: str) -> tuple[str, ...]:
    """Return the licences that a short name of DEP 5 stands for, each by itself: ``GPL-2+ or MIT`` names two."""
    found: list[str] = []
    words = _WORD.findall(short[:500])
    for number, word in enumerate(words):
        before = words[number - 1].lower() if number else ""
        if word.lower() in {"and", "or", "and/or", "with", "exception", "(", ")", ","} or before == "with":
            continue
        found.append(_one(word))
    return tuple(found)


def _one(word: str) -> str:
    gnu = _GNU.fullmatch(word)
    if gnu is not None:
        family, major, minor, later = gnu.groups()
        text = f"{family.upper()}-{major}.{minor or '0'}-{'or-later' if later in {'+', '-or-later'} else 'only'}"
    else:
        text = _SPDX.get(word.lower(), word)
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return _OTHER + (re.sub(r"[^A-Za-z0-9.-]+", "-", word).strip("-") or "unnamed")[:60]
