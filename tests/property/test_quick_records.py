"""The quick way of cleaning a channel's record answers as the careful one does, whatever the record."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.errors import BadInputError
from sekisho.model.conda import clean_record
from sekisho_proxy.conda.quick import _plainly, clean

GOOD = {
    "name": "tool",
    "version": "1.0",
    "build": "py_0",
    "size": 7,
    "sha256": "a" * 64,
    "md5": "b" * 32,
    "subdir": "noarch",
    "build_number": 3,
    "depends": ["python >=3.9"],
    "constrains": [],
    "license": "MIT",
    "noarch": "python",
    "timestamp": 1_700_000_000_000,
    "run_exports": {"weak": ["tool >=1"]},
}
TEXT = st.one_of(st.text(max_size=8), st.sampled_from(["x" * 2000, "x" * 2001, "a\nb", "\u200b", "", "tool", "noarch"]))
ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.sampled_from([1 << 53, (1 << 53) - 1, 1 << 70, 1.0, 0.0, "python", "generic", "a" * 64, "A" * 64, b"a"]),
        TEXT,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["weak", "strong", "noarch", "odd"]), inner, max_size=2),
    ),
    max_leaves=4,
)
KEYS = [*GOOD, "features", "arch", "platform", "track_features", "license_family", "url", "python_site_packages_path"]
ASTRAY = st.sampled_from([["there::evil"], ["http://x/evil"], ["evil[channel=x]"], ["evil[version='>1']"], ["a\\b"]])
LONG = st.sampled_from([["x"] * 2000, ["x"] * 2001, ["x" * 1500] * 3, ["x" * 2001]])


def said(work, *arguments):
    try:
        return work(*arguments)
    except BadInputError as error:
        return error.what


@settings(max_examples=6000 if os.environ.get("SEKISHO_SOAK") == "1" else 600)
@given(
    st.dictionaries(st.sampled_from(KEYS), st.one_of(ODD, LONG, ASTRAY), max_size=3),
    st.sets(st.sampled_from(KEYS), max_size=2),
    st.sampled_from(["tool-1.0-py_0.conda", "tool-1.0-py_0.tar.bz2", "tool-1.0-py_1.conda", "Tool-1-0.conda", "x", ""]),
    st.sampled_from(["noarch", "linux-64"]),
)
def test_both_ways_agree(changes, missing, filename, subdir):
    record = {key: value for key, value in {**GOOD, **changes}.items() if key not in missing}
    quick = said(lambda: clean(filename, record, subdir=subdir))
    careful = said(lambda: clean_record(filename, record, subdir=subdir))
    assert quick == careful
    assert repr(sorted(map(str, quick))) == repr(sorted(map(str, careful)))
    if isinstance(quick, dict):
        assert {key: type(value) for key, value in quick.items()} == {key: type(careful[key]) for key in careful}


def test_an_ordinary_record_goes_the_quick_way():
    assert _plainly("tool-1.0-py_0.conda", GOOD, "noarch") == clean_record("tool-1.0-py_0.conda", GOOD, subdir="noarch")
    assert _plainly("tool-1.0-py_0.conda", {**GOOD, "size": "7"}, "noarch") is None
