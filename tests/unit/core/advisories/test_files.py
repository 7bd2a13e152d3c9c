"""Files from outside: whatever is wrong with one is named with its member, and nothing of it is imported."""

import gzip
import io
import json
import struct
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from sekisho.advisories.exploited import Exploitation, read_epss, read_kev
from sekisho.advisories.names import read_names
from sekisho.advisories.severity import score_vector
from sekisho.advisories.zip_import import read_osv
from sekisho.errors import BadInputError
from tests.advisories import CRITICAL, MEDIUM, imported, index, osv, packed
from tests.records import NOW


def _read(file):
    return read_osv(file, where="all.zip", now=NOW)


def _raw(*members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    file.seek(0)
    return file


def _truncated():
    return io.BytesIO(packed(osv()).getvalue()[:-30])


def _broken():
    data = bytearray(packed(osv()).getvalue())
    data[60] ^= 0xFF
    return io.BytesIO(bytes(data))


def _lying():
    """A member that unpacks to more than its directory states."""
    data = bytearray(packed(osv()).getvalue())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<L", 10)
    data[22:26] = struct.pack("<L", 10)
    return io.BytesIO(bytes(data))


def _twice():
    with pytest.warns(UserWarning, match="Duplicate name"):
        return _raw(("A-1.json", json.dumps(osv("A-1"))), ("A-1.json", json.dumps(osv("A-1"))))


DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    "no zip": (lambda: io.BytesIO(b"hello"), "not a readable zip", "all.zip"),
    "nothing": (io.BytesIO, "not a readable zip", "all.zip"),
    "truncated": (_truncated, "not a readable zip", "all.zip"),
    "a damaged member": (_broken, "it cannot be read", "all.zip, GHSA-aaaa-bbbb-cccc.json"),
    "a member that is longer than it says": (_lying, "cannot be read|not valid JSON", "all.zip, GHSA-aaaa-bbbb-cccc.json"),
    "empty": (_raw, "no advisory", "all.zip"),
    "no JSON": (lambda: _raw(("A-1.json", "{")), "not valid JSON", "all.zip, A-1.json"),
    "no text": (lambda: _raw(("A-1.json", b"\xff\xfe")), "not valid JSON", "all.zip, A-1.json"),
    "endless nesting": (lambda: _raw(("A-1.json", DEEP)), "not valid JSON", "all.zip, A-1.json"),
    "a list": (lambda: _raw(("A-1.json", "[]")), "not an OSV record", "all.zip, A-1.json"),
    "no id": (lambda: _raw(("A-1.json", '{"modified": ""}')), "not an OSV record: KeyError", "all.zip, A-1.json"),
    "an id that is none": (lambda: packed(osv("../x"), names=["A-1.json"]), "is no id", "all.zip, A-1.json"),
    "a long number": (lambda: _raw(("A-1.json", '{"id": ' + "1" * 10_000 + "}")), "not valid JSON", "all.zip, A-1.json"),
    "an absurd name": (lambda: packed(osv(), names=["../../etc/x.json"]), "no record is named so", "../../etc/x.json"),
    "another absurd name": (lambda: packed(osv(), names=["A-1.json\n.txt"]), "no record is named so", "A-1.json"),
    "a name twice": (_twice, "two members of this name", "A-1.json"),
    "an id twice": (lambda: packed(osv("A-1"), osv("A-1"), names=["A-1.json", "b/A-1.json"]), "twice, first in A-1.json", "b/A-1.json"),
    "a bomb": (lambda: _raw(("A-1.json", b" " * (9 << 20))), "unpacks to more than", "A-1.json"),
    "packed oddly": (lambda: _raw(("A-1.json", "{}"), method=zipfile.ZIP_LZMA), "cannot be read with bounds", "A-1.json"),
    "a package that is none": (lambda: packed(osv(project=7)), "is no name of a package", "GHSA-aaaa-bbbb-cccc.json"),
    "affected that is no list": (lambda: packed(osv() | {"affected": 7}), "not an OSV record", "GHSA-aaaa-bbbb-cccc.json"),
    "events that are none": (lambda: packed(osv(affected={"ranges": [{"type": "ECOSYSTEM", "events": [7]}]})), "not an OSV record", "GHSA-aaaa-bbbb-cccc.json"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_the_name_of_what_is_wrong(name):
    make, why, where = HOSTILE[name]
    with pytest.raises(BadInputError, match=why) as caught:
        _read(make())
    assert where in caught.value.where
    assert "\n" not in caught.value.where


def test_one_bad_record_among_good_ones_imports_nothing():
    good = [osv(f"A-{number}") for number in range(10)]
    with pytest.raises(BadInputError, match="nothing of it was imported"):
        _read(packed(*good, {"id": "B-1", "affected": 7, "modified": "x"}))


def test_a_name_that_nobody_could_ask_for_is_left_out_and_counted():
    found = imported(osv(project="not a name!"), osv("A-2", "six"))
    assert (found.records, found.skipped) == (2, 1)
    assert found.advisories.affecting("pypi", "six", "1.0")


def test_other_ecosystems_are_left_out():
    assert imported(osv(ecosystem="npm"), osv("A-2", ecosystem="Debian:12")).advisories.concerned("A-2") == ()


def test_a_folder_in_the_zip_does_not_matter():
    assert _read(packed(osv(), names=["PyPI/A-1.json"])).records == 1


def test_data_is_of_its_newest_record_and_never_of_the_future():
    older, newer = osv("A-1", modified="2026-10-01T00:00:00Z"), osv("A-2", modified="2026-10-02T00:00:00Z")
    assert imported(older, newer).taken == datetime(2026, 10, 2, tzinfo=UTC)
    assert imported(older, osv("A-2", modified="2999-01-01T00:00:00Z")).taken == NOW
    assert imported(osv(modified="1-01-01T00:00:00Z")).taken < NOW - timedelta(days=10_000)


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (CRITICAL, 98),
        (MEDIUM, 61),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 75),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93),
        ("7.5", 75),
        ("10.0", 100),
        ("nonsense", None),
        ("CVSS:3.1/AV:N", None),
        ("CVSS:4.0/AV:N", None),
        ("11.0", None),
        ("x" * 10_000, None),
    ],
)
def test_severity_is_computed_from_every_kind_of_vector(vector, score):
    assert score_vector(vector) == score


@pytest.mark.parametrize(
    ("more", "score"),
    [
        ({"vector": CRITICAL}, 98),
        ({"database_specific": {"severity": "HIGH"}}, 70),
        ({"database_specific": {"severity": "MODERATE"}, "vector": MEDIUM}, 61),
        ({"affected": {"severity": [{"type": "CVSS_V3", "score": CRITICAL}]}}, 98),
        ({"affected": {"ecosystem_specific": {"severity": "low"}}}, 1),
        ({"database_specific": {"severity": "GRAVE"}}, None),
        ({"database_specific": "odd", "severity": "odd"}, None),
        ({}, None),
    ],
)
def test_a_vector_outranks_a_word_and_what_cannot_be_read_is_unknown(more, score):
    if more.get("database_specific") == "odd":
        with pytest.raises(BadInputError, match="not an OSV record"):
            index(osv(**more))
        return
    assert index(osv(**more)).affecting("pypi", "numpy", "1.0")[0].advisory.score == score


# What is exploited.

KEV = {"dateReleased": "2026-10-30T00:00:00Z", "vulnerabilities": [{"cveID": "CVE-2026-0001"}]}
EPSS = "#model_version:v2026.01.01,score_date:2026-10-30T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\n"


def test_what_is_exploited_reaches_the_advisory_with_the_dates_of_both_files():
    known, known_taken = read_kev(io.BytesIO(json.dumps(KEV).encode()), where="kev.json")
    likely, likely_taken = read_epss(io.BytesIO(gzip.compress(EPSS.encode())), where="epss.csv.gz")
    said = Exploitation(known, likely, known_taken, likely_taken)
    made = imported(osv(aliases=["CVE-2026-0001"]), said=said).advisories
    (hit,) = made.affecting("pypi", "numpy", "1.0")
    assert (hit.advisory.exploited, hit.advisory.epss) == (True, 50_000)
    assert made.feeds["kev"] == made.feeds["epss"] == datetime(2026, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"vulnerabilities": []}', json.dumps(KEV | {"vulnerabilities": [{"cveID": "x"}]}).encode(),
             json.dumps(KEV | {"vulnerabilities": []}).encode(), json.dumps(KEV | {"dateReleased": "soon"}).encode(),
             json.dumps(KEV | {"dateReleased": "0001-01-01T00:00:00+14:00"}).encode()],
)  # fmt: skip
def test_a_catalogue_that_is_none_is_refused(data):
    with pytest.raises(BadInputError, match="not a KEV catalogue") as caught:
        read_kev(io.BytesIO(data), where="kev.json")
    assert caught.value.where == "kev.json"


def _epss(text):
    return io.BytesIO(gzip.compress(text.encode()))


@pytest.mark.parametrize(
    ("file", "where"),
    [
        (io.BytesIO(b"hello"), "epss.csv.gz"),
        (io.BytesIO(gzip.compress(EPSS.encode())[:-9]), "epss.csv.gz"),
        (_epss("cve,epss\n"), "line 1"),
        (_epss(EPSS + "CVE-2026-0002,2,0\n"), "line 4"),
        (_epss(EPSS + "CVE-2026-0002,x,0\n"), "line 4"),
        (_epss(EPSS + "x,0.1,0\n"), "line 4"),
        (_epss(EPSS.replace("epss,", "odds,")), "line 3"),
    ],
)
def test_probabilities_that_are_none_are_refused_with_their_line(file, where):
    with pytest.raises(BadInputError) as caught:
        read_epss(file, where="epss.csv.gz")
    assert where in caught.value.where


def test_conda_names_are_read_in_each_form_and_null_is_unknown():
    data = b'{"pytorch": "Torch", "jupyter": ["notebook", "jupyter_core", "notebook"], "openssl": null, "_x": []}'
    assert read_names(io.BytesIO(data), where="names") == {
        "pytorch": ("torch",),
        "jupyter": ("notebook", "jupyter-core"),
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "object"),
        (b"{}", "object"),
        (b'{"a b": "x"}', "'a b'"),
        (b'{"a": "x y"}', "'a' is none"),
        (b'{"a": 1}', "'a' is none"),
        (b'{"a": ["x", null]}', "'a' is none"),
        (b'{"a": {"b": "c"}}', "'a' is none"),
    ],
)
def test_what_is_no_mapping_names_the_entry(data, said):
    with pytest.raises(BadInputError, match=said):
        read_names(io.BytesIO(data), where="names")
