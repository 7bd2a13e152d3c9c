"""From what packages say of their licence to an SPDX expression, and from that to yes or no."""

import re
from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
_FREE_TEXT = {
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license v2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "expat": "MIT",
    "isc license": "ISC",
    "mit license": "MIT",
    "mit licence": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mpl 2.0": "MPL-2.0",
    "mozilla public license 2.0": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "public domain": "LicenseRef-Public-Domain",
}
_NOTHING = {"unknown", "none", "n/a"}
"""What tools once wrote where nothing was stated."""
_EITHER = {"dual license", "dual licence", "dual-licensed"}
_FAMILIES = {"BSD-3-Clause": {"BSD-3-Clause", "BSD-2-Clause"}}
"""What classifiers cannot tell apart: "BSD License" is any of these."""
_TOKEN = re.compile(r"\(|\)|[^\s()]+")


def spdx(expression: str | None, hint: str | None, classifiers: Iterable[str] = ()) -> str | None:
    """Return the canonical SPDX expression that a package states, or ``None`` when it states nothing we know.

    ``expression`` is ``License-Expression`` (PEP 639), which decides alone: an invalid one is unknown. ``hint`` is
    the old free text or the last part of a classifier, mapped, never guessed from a licence file's prose. It is
    unknown as well when ``classifiers``, the last parts of all of them, name a licence that it does not.
    """
    if expression:
        return _canonical(expression)
    names = tuple(classifiers)
    text = "" if (hint or "").lower() in _NOTHING else hint or ""
    if text.lower() in _EITHER:
        return _either(names)
    stated = _mapped(text or (names[0] if len(names) == 1 else ""))
    if stated is None:
        return None
    named = set(_TOKEN.findall(stated))
    agrees = all(named & _same_as(_mapped(text)) for text in names)
    return stated if agrees else None


def _either(classifiers: tuple[str, ...]) -> str | None:
    """Return the choice that a dual licence offers, if the classifiers name what there is to choose from."""
    named = [_mapped(text) for text in classifiers]
    return _canonical(" OR ".join(filter(None, named))) if len(named) > 1 and all(named) else None


def _mapped(text: str) -> str | None:
    return _canonical(_CLASSIFIERS.get(text) or _FREE_TEXT.get(" ".join(text.lower().split())) or text)


def _canonical(text: str) -> str | None:
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def _same_as(licence: str | None) -> set[str]:
    """Return the licences that a classifier may stand for: none, if nobody knows which."""
    if licence is None:
        return set()
    return _FAMILIES.get(licence, {licence})


def satisfied(expression: str, allowed: frozenset[str]) -> bool:
    """Tell whether a canonical SPDX expression can be met with ``allowed`` licences only.

    ``OR`` needs one side, ``AND`` both; ``X WITH exception`` counts as allowed if it, or X alone, is.
    """
    tokens = _TOKEN.findall(expression)

    def either() -> bool:
        answer = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            answer = both() or answer
        return answer

    def both() -> bool:
        answer = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            answer = one() and answer
        return answer

    def one() -> bool:
        token = tokens.pop(0)
        if token == "(":  # noqa: S105 (a parenthesis, no password)
            answer = either()
            tokens.pop(0)
            return answer
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            return f"{token} WITH {tokens.pop(0)}" in allowed or token in allowed
        return token in allowed

    return either()
