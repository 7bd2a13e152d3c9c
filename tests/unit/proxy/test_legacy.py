"""The legacy JSON API: which addresses it has, and which release a page is about."""

import pytest
from pip._internal.models.link import Link

from sekisho.policy.door import Admitted
from sekisho_proxy.doors.pip import legacy_address
from sekisho_proxy.inspect.metadata import described
from sekisho_proxy.pages.legacy import _file, _newest, _of
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


@pytest.mark.parametrize("path", ["p/torch-2+cu118.whl", "p/torch-2%2Bcu118.whl", "p/a b.whl", "p/@b/c:d.whl"])
def test_a_files_url_is_spelled_as_pip_spells_it(path):
    [row] = _rows("1.0", path=path.replace(" ", "%20"))
    link = Link.from_json({"url": f"../../files/{row.artifact.path}"}, "https://x.example/w/everyone/pypi/simple/a/")
    assert _file(row, "https://x.example/w/everyone/pypi/files/")["url"] == link.url
