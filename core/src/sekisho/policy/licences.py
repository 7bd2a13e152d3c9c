"""From what packages say of their licence to an SPDX expression, and from that to yes or no."""

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
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
_TOKEN = re.compile(r"\(|\)|[^\s()]+")


def spdx(expression: str | None, hint: str | None) -> str | None:
    """Return the canonical SPDX expression that a package states, or ``None`` when it states nothing we know.

    ``expression`` is ``License-Expression`` (PEP 639); ``hint`` is the old free text or the last part of a
    classifier. Both are mapped, never guessed from a licence file's prose.
    """
    for text in (expression, hint):
        if not text:
            continue
        known = _CLASSIFIERS.get(text) or _FREE_TEXT.get(" ".join(text.lower().split()))
        try:
            return str(canonicalize_license_expression(known or text))
        except InvalidLicenseExpression:
            continue
    return None


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
