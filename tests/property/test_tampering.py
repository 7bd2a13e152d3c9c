"""Whatever somebody does to a ledger, or to what was written out of it, is found."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.audit import verify_export
from sekisho.database import open_database
from sekisho.errors import CorruptError, SekishoError
from sekisho.ledger import ORIGIN, Ledger
from sekisho.signing import Trust
from tests.fakes import FakeClock
from tests.records import SIGNER
from tests.unit.portal.house import ANNA, House

ROWS = 9
TRUST = Trust(SIGNER.trusted("portal", "checkpoint"))
COLUMNS = ("at", "kind", "subject", "actor", "body", "leaf")


class Kept:
    """A ledger in memory that can be put back as it was, and its checkpoint."""

    def __init__(self, folder):
        self.engine = open_database(f"sqlite:///{folder}/ledger.sqlite")
        self.ledger = Ledger(self.engine, clock=FakeClock())
        for number in range(ROWS):
            body = {"number": number, "share": 1e-05, "text": "関所", "nested": {"a": [1, None, True]}}
            self.ledger.append("requested", f"r{number}", actor="rita", body=body)
        self.rows = self._all()
        self.checkpoint = self.ledger.checkpoint(ORIGIN, SIGNER)

    def _all(self):
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql("select * from ledger order by seq")]

    def put(self, rows):
        with self.engine.begin() as connection:
            connection.exec_driver_sql("delete from ledger")
            for row in rows:
                names = ", ".join(row)
                marks = ", ".join("?" * len(row))
                connection.exec_driver_sql(f"insert into ledger ({names}) values ({marks})", tuple(row.values()))

    def is_found(self):
        try:
            self.ledger.verify()
            self.ledger.check(self.checkpoint, TRUST)
        except CorruptError:
            return True
        return False


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    kept = Kept(tmp_path_factory.mktemp("ledger"))
    assert not kept.is_found()
    yield kept
    kept.engine.dispose()


PLACE = st.one_of(st.sampled_from([0, 1, ROWS // 2, ROWS - 2, ROWS - 1]), st.integers(0, ROWS - 1))
"""A row: the first, the last, next to one of them, in the middle, or any."""


def _flip(value, at, bit):
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[at % len(data)] ^= 1 << bit
    return bytes(data).decode(errors="surrogateescape") if isinstance(value, str) else bytes(data)


@settings(max_examples=150, deadline=None)
@given(row=PLACE, column=st.sampled_from(COLUMNS), at=st.integers(0, 10_000), bit=st.integers(0, 6))
def test_any_flipped_bit_of_any_row_is_found(kept, row, column, at, bit):
    rows = [dict(one) for one in kept.rows]
    rows[row][column] = _flip(rows[row][column], at, bit)
    try:
        rows[row][column].encode() if isinstance(rows[row][column], str) else None
    except UnicodeEncodeError:
        return  # no database keeps that as text
    kept.put(rows)
    assert kept.is_found()


@settings(max_examples=40, deadline=None)
@given(gone=st.sets(PLACE, min_size=1), renumbered=st.booleans())
def test_any_dropped_rows_are_found(kept, gone, renumbered):
    rows = [dict(one) for number, one in enumerate(kept.rows) if number not in gone]
    if renumbered:
        for number, row in enumerate(rows, 1):
            row["seq"] = number
    kept.put(rows)
    assert kept.is_found()


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(ROWS)).filter(lambda order: list(order) != sorted(order)), hashed=st.booleans())
def test_any_other_order_is_found(kept, order, hashed):
    """With ``hashed`` by somebody who writes the hashes of the rows anew."""
    rows = [{**kept.rows[place], "seq": number} for number, place in enumerate(order, 1)]
    kept.put(rows)
    if hashed:
        leaves = [entry.leaf() for entry in kept.ledger.entries()]
        kept.put([{**row, "leaf": leaf} for row, leaf in zip(rows, leaves, strict=True)])
        kept.ledger.verify()  # by itself it holds together: only the checkpoint tells
    assert kept.is_found()


@settings(max_examples=40, deadline=None)
@given(row=PLACE, more=st.text(max_size=20))
def test_a_row_that_was_written_anew_with_its_hash_is_found(kept, row, more):
    rows = [dict(one) for one in kept.rows]
    rows[row]["actor"] = f"mallory{more}".replace("\0", "")
    kept.put(rows)
    leaf = kept.ledger.entries()[row].leaf()
    rows[row]["leaf"] = leaf
    kept.put(rows)
    kept.ledger.verify()
    assert kept.is_found()


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    from sekisho.audit import export_audit

    place = tmp_path_factory.mktemp("site")
    house = House(place)
    house.approve(house.waiting())
    house.desk.revoke(ANNA, "six", reason="bad")
    said = {"advisory": "CVE-2026-1", "project": "numpy", "releases": ["2.1.0"]}
    house.desk.state(ANNA, {**said, "justification": "component_not_present", "scope": ["everyone"]})
    export_audit(house.settings, place / "export")
    trust = place / "trust.json"
    shutil.copy(house.settings.trust_file, trust)
    return place / "export"


def _files(export):
    return sorted(path for path in export.rglob("*") if path.is_file())


def _is_found(export):
    try:
        verify_export(export, None)
    except SekishoError:
        return True
    return False


@settings(max_examples=150, deadline=None)
@given(data=st.data(), bit=st.integers(0, 7))
def test_any_flipped_bit_of_an_export_is_found(export, data, bit):
    """In each file: its first and last byte, those about the middle, and any."""
    path = data.draw(st.sampled_from(_files(export)))
    whole = path.read_bytes()
    last = len(whole) - 1
    at = data.draw(st.one_of(st.sampled_from([0, last // 2, last]), st.integers(0, last)))
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    path.write_bytes(changed)
    try:
        assert _is_found(export), (path, at, bit)
    finally:
        path.write_bytes(whole)


def test_an_export_holds_and_says_what_it_cannot_prove(export):
    found = verify_export(export, None)
    assert found.rows > 5
    assert (found.approvals, found.statements, found.checkpoints, found.refused) == (1, 2, 2, 0)
    assert len(found.unproven) == 2


@pytest.mark.parametrize(
    "name", ["ledger.jsonl", "keys.json", "checkpoints/kept", "tree/pypi/numpy.yaml", "manifest.json"]
)
def test_a_file_that_is_gone_is_found(export, name):
    kept = export.parent / "kept"
    shutil.move(export / name, kept)
    try:
        assert _is_found(export)
    finally:
        shutil.move(kept, export / name)


def test_a_file_that_was_added_is_found(export):
    (export / "tree" / "pypi" / "more.yaml").write_text("project: more\n")
    try:
        with pytest.raises(CorruptError, match="was not signed"):
            verify_export(export, None)
    finally:
        (export / "tree" / "pypi" / "more.yaml").unlink()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_rows_of_an_export_that_were_dropped_or_changed_places_are_found(export, data):
    path = export / "ledger.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    if data.draw(st.booleans()):
        del lines[data.draw(st.integers(0, len(lines) - 1))]
    else:
        one, other = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
        lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))
    try:
        assert _is_found(export)
    finally:
        path.write_bytes(whole)


def test_every_row_of_an_export_is_json_that_others_read(export):
    rows = [json.loads(line) for line in (export / "ledger.jsonl").read_text().splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert {"approved", "revoked", "vex-stated"} <= {row["kind"] for row in rows}
