"""The legacy JSON API: which addresses it has, and which release a page is about."""

import pytest

from sekisho.policy.snapshot import Admitted
from sekisho_proxy.doors.pip import legacy_address
from sekisho_proxy.inspect.metadata import described
from sekisho_proxy.pages.legacy import _newest, _of
from tests.records import NOW, artifact


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("pypi/numpy/json", ("numpy", None)),
        ("pypi/numpy/json/", ("numpy", None)),
        ("pypi/numpy/2.1.0/json", ("numpy", "2.1.0")),
        ("pypi/simple/pypi/numpy/json", ("numpy", None)),
        ("pypi/simple/pypi/numpy/2.1.0/json", ("numpy", "2.1.0")),
        ("pypi/pypi/numpy/json", ("numpy", None)),
        ("pypi/pypi/numpy/2.1.0/json", ("numpy", "2.1.0")),
        ("pypi/pypi/simple/json", ("simple", None)),
        ("pypi/pypi/files/1.0/json", ("files", "1.0")),
        ("pypi/pypi/pypi/json", ("pypi", None)),
        ("pypi/json/json", ("json", None)),
        ("pypi/simple/json", None),
        ("pypi/simple/json/", None),
        ("pypi/simple/numpy/", None),
        ("pypi/files/a/json", None),
        ("pypi/json", None),
        ("pypi/numpy/2.1.0/more/json", None),
        ("pypi/numpy//json", None),
        ("pypi/numpy/", None),
    ],
)
def test_addresses(path, wanted):
    assert legacy_address(path) == wanted


def _rows(*releases, **more):
    return [Admitted(artifact(release=release, **more), NOW, NOW) for release in releases]


@pytest.mark.parametrize(
    ("releases", "yanked", "newest"),
    [
        (("1.0", "1.10", "1.9"), (), "1.10"),
        (("1.0", "2.0rc1"), (), "1.0"),
        (("1.0a1", "1.0a2"), (), "1.0a2"),
        (("1.0",), ("1.1",), "1.0"),
        ((), ("1.0", "1.1"), "1.1"),
        (("1.0rc1",), ("1.1",), "1.0rc1"),
        (("1.0", "not-a-version"), (), "1.0"),
    ],
)
def test_a_projects_page_is_about_its_newest_release(releases, yanked, newest):
    assert _newest([*_rows(*releases), *_rows(*yanked, yanked="")]) == newest


def test_a_release_is_found_by_every_spelling():
    rows = _rows("1.0", "1.0.1", "odd")
    assert [row.artifact.release for row in _of("1.0.0", rows)] == ["1.0"]
    assert [row.artifact.release for row in _of("v1.0.1", rows)] == ["1.0.1"]
    assert [row.artifact.release for row in _of("odd", rows)] == ["odd"]
    assert _of("1.0.2", rows) == _of("../..", rows) == []


def test_what_metadata_says_twice_is_unknown():
    told = described(b"Metadata-Version: 2.4\nName: a\nVersion: 1\nSummary: x\nSummary: y\nRequires-Dist: b\n\nbody")
    assert (told["summary"], told["requires_dist"]) == (None, ["b"])
