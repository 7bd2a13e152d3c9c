"""What a security test found in wheels: startup files in disguise, METADATA that costs its square, licences in words."""

import time

import pytest

from sekisho.model import Artifact
from sekisho.policy import parse_policy
from sekisho.policy.licences import spdx
from sekisho.policy.rules import Case
from sekisho_proxy.inspect.wheel import Job, inspect_file
from tests.records import NOW
from tests.wheels import make_wheel, metadata_text

NAME = "x-1.0-py3-none-any.whl"
AGPL = "Classifier: License :: OSI Approved :: GNU Affero General Public License v3\n"
LICENCES = "version: 1\nrules:\n  - {id: licence, check: license, allow: [MIT, BSD-2-Clause, BSD-3-Clause]}\n"


@pytest.fixture
def look(tmp_path):
    def inspect(**options):
        path = tmp_path / "blob"
        path.write_bytes(make_wheel("x", **options).data)
        return inspect_file(Job(path=str(path), filename=NAME, sha256="0" * 64))

    return inspect


def codes(facts):
    return [finding.code for finding in facts.findings]


@pytest.mark.parametrize(
    "name",
    [
        "x-1.0.data/data/lib/python3.11/site-packages/zz.pth",
        "x-1.0.data/data/lib64/python3.11/site-packages/zz.pth",
        "x-1.0.data/data/local/lib/python3.11/dist-packages/zz.pth",
        "x-1.0.data/data/Lib/site-packages/zz.pth",
        "x-1.0.data/data/lib/python3.11/os.py",
        "x-1.0.data/data/lib/python311.zip",
        "x-1.0.data/data/pyvenv.cfg",
        "x-1.0.data/data/bin/python3",
        "x-1.0.data/scripts/python3.11",
        "x-1.0.data/headers/site-packages/zz.pth",
        "x-1.0.data/data/Lib/site-packages/sitecustomize.py",
        "site-packages/zz.pth",
        "zz.PTH",
        "sitecustomize.py",
        "usercustomize.pyc",
        "sitecustomize.cpython-311-x86_64-linux-gnu.so",
        "usercustomize/__init__.py",
        "__pycache__/sitecustomize.cpython-311.pyc",
        "x-1.0.data/purelib/sitecustomize.py",
        "x-1.0.data/platlib/usercustomize/__init__.py",
    ],
)
def test_what_runs_with_every_start_is_found_wherever_it_is_installed(look, name):
    facts = look(files={"x.py": b"", name: b"import os"})
    assert codes(facts) == ["top_level_pth"]
    assert facts.findings[0].detail == name


@pytest.mark.parametrize(
    "name",
    [
        "x/sitecustomize.py",
        "x/weights.pth",
        "sitecustomizer.py",
        "x-1.0.data/scripts/pythonize-x.txt/readme",
        "x-1.0.data/data/share/x/weights.pth",
        "x-1.0.data/data/etc/jupyter/x.json",
        "x-1.0.data/scripts/x",
    ],
)
def test_what_only_looks_like_it_is_not(look, name):
    assert codes(look(files={"x.py": b"", name: b""})) == []


@pytest.mark.parametrize(
    "more",
    [
        b"".join(b"x%x: \n" % number for number in range(42_000)),
        b"".join(b"x%x:\r\n" % number for number in range(42_000)),
        b"".join(b"x%x:\r" % number for number in range(42_000)),
        b"".join(b"x%x: \n" % number for number in range(600)),
        b"Classifier: a\n" * 6000,
        b"License: " + b"long " * 500_000 + b"\n",
    ],
    ids=["names", "crlf", "cr", "few", "lines", "bytes"],
)
def test_a_bomb_of_headers_is_a_finding_at_once(look, more):
    begun = time.monotonic()
    facts = look(metadata=metadata_text("x", "1.0") + more)
    assert [(finding.code, finding.detail) for finding in facts.findings] == [
        ("archive_confusion", "METADATA has too many headers")
    ]
    assert time.monotonic() - begun < 2


def test_the_body_is_not_parsed_and_may_be_long(look):
    start = metadata_text("x", "1.0", extra="Content-Type: multipart/mixed; boundary=b\nLicense: MIT\n")
    facts = look(metadata=start + b"\n" + b"--b\nName: y\n\n" * 20_000)
    assert (facts.findings, facts.license_hint) == ((), "MIT")


def judged(facts):
    """Return why the licence rule objects."""
    artifact = Artifact.parse(make_wheel("x").artifact().plain(), where="test")
    reason = parse_policy(LICENCES).rules[0].look(Case(artifact, facts.model_copy(update={"size": 1}), NOW))
    return reason.evidence if reason else None


@pytest.mark.parametrize(
    ("extra", "evidence"),
    [
        (
            "License-Expression: NotALicence Proprietary\nLicense: MIT\n",
            "unknown: it states 'NotALicence Proprietary'",
        ),
        (
            "License-Expression: MIT\nLicense-Expression: GPL-3.0-only\nLicense: MIT\n",
            "unknown: it states 'MIT / GPL-3.0-only'",
        ),
        ("License: MIT\n" + AGPL, "unknown: it states 'MIT, GNU Affero General Public License v3'"),
        (
            "License: MIT\nClassifier: License :: Other/Proprietary License\n",
            "unknown: it states 'MIT, Other/Proprietary License'",
        ),
        ("License: MIT\nLicense: Proprietary\n", "unknown: it states 'MIT / Proprietary'"),
        ("License: MIT\nClassifier: License :: OSI Approved :: MIT License\n", None),
        ("License: BSD-2-Clause\nClassifier: License :: OSI Approved :: BSD License\n", None),
        ("License: MIT\nClassifier: License :: OSI Approved\n", None),
        ("License-Expression: MIT\n" + AGPL, None),
    ],
)
def test_a_licence_that_contradicts_itself_is_unknown(look, extra, evidence):
    assert judged(look(extra=extra)) == evidence


def test_an_invalid_expression_never_falls_through():
    assert spdx("Apache 2", "MIT") is None
    assert spdx(None, "MPL-2.0 AND MIT", ("MIT License", "Mozilla Public License 2.0 (MPL 2.0)")) == "MPL-2.0 AND MIT"
