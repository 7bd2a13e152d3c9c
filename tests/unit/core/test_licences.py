import pytest

from sekisho.policy.licences import satisfied, spdx

ALLOWED = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause", "GPL-2.0-only WITH Classpath-exception-2.0"})


@pytest.mark.parametrize(
    ("expression", "hint", "canonical"),
    [
        ("MIT", None, "MIT"),
        ("mit or apache-2.0", None, "MIT OR Apache-2.0"),
        (None, "MIT License", "MIT"),
        (None, "The MIT License (MIT)", "MIT"),
        (None, "Apache Software License", "Apache-2.0"),
        (None, "apache  license,\n version 2.0", "Apache-2.0"),
        (None, "BSD", "BSD-3-Clause"),
        (None, "GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
        (None, "BSD-2-Clause", "BSD-2-Clause"),
        ("", "PSF", "PSF-2.0"),
        (None, "Public Domain", "LicenseRef-Public-Domain"),
        (None, "see LICENSE", None),
        (None, "Proprietary", None),
        ("MIT OR", None, None),
        (None, None, None),
        ("", "", None),
    ],
)
def test_what_a_package_states_becomes_an_spdx_expression_or_nothing(expression, hint, canonical):
    assert spdx(expression, hint) == canonical


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND MIT", False),
        ("GPL-3.0-only AND MIT OR Apache-2.0", True),
        ("Apache-2.0 OR GPL-3.0-only AND MIT", True),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", True),
        ("(GPL-3.0-only OR MIT) AND AGPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR (BSD-3-Clause AND Apache-2.0))", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-Public-Domain", False),
    ],
)
def test_or_needs_one_side_and_and_both(expression, answer):
    assert satisfied(expression, ALLOWED) is answer


def test_nothing_is_satisfied_when_nothing_is_allowed():
    assert not satisfied("MIT OR Apache-2.0", frozenset())
