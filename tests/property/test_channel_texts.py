"""What a changed repodata is read as, with all that was remembered of it, is what a reader of all makes of it."""

import os
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.errors import CorruptError
from sekisho_proxy.conda import plain, unpacking
from sekisho_proxy.conda.catalogue import Catalogue, Pieces
from sekisho_proxy.conda.coming import Coming
from sekisho_proxy.conda.elsewhere import Elsewhere
from sekisho_proxy.conda.importing import Job, entirely, run
from sekisho_proxy.conda.reading import Whole
from sekisho_proxy.upstream.source import Kept
from tests.channels import zst

NAMES = ("a", "a-b", "b", "c.d", "c-1", "zz")
WORDS = (
    b'"a-1-0.conda":{"sha256":"' + b"5" * 64 + b'"},', b'},"b-', b'}},"packages.conda":{', b'"packages":{}', b'"',
    b"\\", b"{", b"}", b",", b" ", b"\n", b":", b'\\"},\\"a-1-0.conda\\":{', b"\xff", b"0", b"\\u0061", b"[[[[",
    b'"packages in its place":0', b'},"packages":{"a-9-9.conda":{}', b"null", "ü".encode(), b',"x":{"a-1-0.conda":{}}',
)  # fmt: skip
HEADS = (b'{"info":{"subdir":"noarch"},', b'{"info":{"base_url":"x","y":"\\"packages\\":{"},"v3":{},', b"{", b"{ ")
TAILS = (b',"removed":[],"repodata_version":1}', b"}", b',"removed":["a-1-0.conda"],"info":{}}\n', b',"odd":1}')

RECORDS = st.tuples(
    st.sampled_from(NAMES),
    st.integers(0, 12),
    st.sampled_from(
        ["{}", '{"sha256":"%064x"}', '{"s":"},\\"b-1-0.conda\\":{"}', '{"x":{"y":{}},"z":[1]}', "7", "{ }"]
    ),
)
SECTION = st.lists(RECORDS, max_size=12)
SORTED = SECTION.map(lambda rows: sorted({row[:2]: row for row in rows}.values()))
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["digit", "digit", "insert", "delete", "copy", "cut"]),
        st.integers(0, 1 << 16),
        st.integers(0, 60),
        st.sampled_from(WORDS),
    ),
    max_size=2,
)
STATE = st.tuples(SORTED | SECTION, SORTED | SECTION, st.sampled_from(HEADS), st.sampled_from(TAILS))


def text_of(state):
    old, new, head, tail = state
    sections = (
        b'"%b":{%b}' % (key, b",".join(_member(*row, ending) for row in rows))
        for key, rows, ending in ((b"packages", old, ".tar.bz2"), (b"packages.conda", new, ".conda"))
    )
    return head + b",".join(sections) + tail


def _member(name, number, record, ending):
    return f'"{name}-{number}-0{ending}":{record % number if "%" in record else record}'.encode()


def edited(text, edits):
    for what, where, length, word in edits:
        at = where % (len(text) + 1)
        if what == "insert":
            text = text[:at] + word + text[at:]
        elif what == "delete":
            text = text[:at] + text[at + length :]
        elif what == "copy":
            text = text[:at] + text[at : at + length] + text[at:]
        elif what == "digit" and (digit := next((n for n in range(at, len(text)) if text[n : n + 1].isdigit()), None)):
            text = text[:digit] + b"%d" % (9 - int(text[digit : digit + 1])) + text[digit + 1 :]
        elif what == "cut":
            text = text[:at]
    return text


class World:
    """A folder of what was remembered, and one where nothing ever is."""

    def __init__(self, folder):
        self.folder = folder
        self.turn = 0

    def job(self, text, where):
        self.turn += 1
        (self.folder / "came").write_bytes(zst(text))
        return Job(
            file=str(self.folder / "came"), packed=True, where="here", folder=str(self.folder / where),
            old=str(self.folder / "old"), new=str(self.folder / "new"), seen=str(self.folder / "seen.sqlite"),
            source="main", subdir="noarch", now=1000 + self.turn,
        )  # fmt: skip

    def remembered(self, text):
        """Return what is read with what is remembered, or why it cannot be read."""
        try:
            run(self.job(text, "pieces"))
        except CorruptError as error:
            return error.what
        data = (self.folder / "new").read_bytes()
        (self.folder / "old").write_bytes(data)
        catalogue = Catalogue.load(data)
        Pieces(self.folder / "pieces").sweep(catalogue)
        return said(self.folder / "pieces", catalogue)

    def anew(self, text):
        """Return what a reader of all finds, or why it cannot read it."""
        try:
            made = entirely(self.job(text, "anew"), None, Coming(None))
        except CorruptError as error:
            return error.what
        return said(self.folder / "anew", made.catalogue)


def said(folder, catalogue):
    """Return all that a catalogue says, and all records as the proxy has them."""
    whole = Whole(catalogue, Elsewhere(), Kept("", "", "", 0.0, b""), Pieces(folder))
    rows = {name: [(file, bytes(row.raw)) for file, row in whole._read(name)] for name in catalogue.names}
    return list(catalogue.digests().items()), rows, catalogue.refused, catalogue.packages


@settings(max_examples=4000 if os.environ.get("SEKISHO_SOAK") == "1" else 80, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 6), STATE, EDITS), min_size=2, max_size=5),
    sizes=st.sampled_from([(1 << 20, 1 << 20), (7, 90), (64, 40), (300, 200)]),
)
def test_a_change_is_read_as_all_of_it_would_be(steps, sizes):
    step, near = sizes
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(unpacking, "_STEP", step),
        mock.patch.multiple(plain, _NEAR=near, _CHUNK=near),
    ):
        world, before = World(Path(folder)), None
        for part, state, edits in steps:
            if before is not None and part < 6:  # only one part is another one, or none
                state = (*before[:part], *state[part : part + 1], *before[part + 1 :])  # noqa: PLW2901
            before = state
            text = edited(text_of(state), edits)
            assert world.remembered(text) == world.anew(text)


@settings(max_examples=2000 if os.environ.get("SEKISHO_SOAK") == "1" else 40, deadline=None)
@given(state=STATE, places=st.lists(st.integers(0, 1 << 16), min_size=1, max_size=3))
def test_a_digit_that_changed_is_seen(state, places):
    with tempfile.TemporaryDirectory() as folder:
        world, text = World(Path(folder)), text_of(state)
        world.remembered(text)
        for place in places:
            text = edited(text, [("digit", place, 0, b"")])
            assert world.remembered(text) == world.anew(text)
