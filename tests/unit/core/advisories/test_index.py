"""What the index answers: PEP 440's order, both ends of ranges, and never clean where nothing is known."""

import json
import zipfile
from datetime import UTC, datetime

import pytest
from packaging.version import InvalidVersion, Version

from sekisho.advisories import AdvisoryIndex
from sekisho.advisories.exploited import Exploitation
from sekisho.advisories.zip_import import read_osv
from sekisho.errors import CorruptError
from tests.advisories import CRITICAL, MEDIUM, index, osv
from tests.records import NOW

# events, release, whether it is concerned
RANGES = {
    "before the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "1.9", True),
    "the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0", False),
    "a candidate of the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0rc1", True),
    "another spelling of the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0.0", False),
    "after the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0.post1", False),
    "where it began": ([{"introduced": "1.5"}, {"fixed": "2.0"}], "1.5", True),
    "before it began": ([{"introduced": "1.5"}, {"fixed": "2.0"}], "1.4.9", False),
    "a candidate of where it began": ([{"introduced": "1.5"}, {"fixed": "2.0"}], "1.5rc1", False),
    "the last one": ([{"introduced": "0"}, {"last_affected": "1.5"}], "1.5", True),
    "after the last one": ([{"introduced": "0"}, {"last_affected": "1.5"}], "1.5.post1", False),
    "never fixed": ([{"introduced": "1.0"}], "99", True),
    "a later epoch": ([{"introduced": "0"}, {"fixed": "2.0"}], "1!1.0", False),
    "in an epoch": ([{"introduced": "1!1.0"}, {"fixed": "1!2.0"}], "1!1.5", True),
    "a number that is longer, not greater": ([{"introduced": "0"}, {"fixed": "1.10"}], "1.9", True),
    "between two ranges": ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "3.0"}], "1.5", False),
    "in the second range": ([{"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "3.0"}, {"fixed": "1.0"}], "2.5", True),
    "somebody's own build": ([{"introduced": "0"}, {"last_affected": "1.5"}], "1.5+cu118", True),
    "somebody's own build of the fix": ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0+cu118", False),
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_a_range_holds_what_the_order_of_releases_says(name):
    events, release, concerned = RANGES[name]
    assert bool(index(osv(events=events)).affecting("pypi", "numpy", release)) is concerned


@pytest.mark.parametrize(
    ("versions", "release", "concerned"),
    [(["1.0", "1.1"], "1.1", True), (["1.0"], "1.0.0", True), (["1.0"], "1.1", False), (["1.0"], "1.0+local", True), (["odd one", "x!"], "x!", True)],
)  # fmt: skip
def test_releases_that_are_named_one_by_one_are_concerned(versions, release, concerned):
    assert bool(index(osv(versions=versions)).affecting("pypi", "numpy", release)) is concerned


def test_what_is_not_in_the_data_is_not_concerned_and_only_covered_kinds_are_known():
    made = index(osv())
    assert made.affecting("pypi", "six", "1.0") == ()
    assert made.covers("pypi")
    assert not made.covers("conda")
    assert not made.covers("debian")


@pytest.mark.parametrize("release", ["nightly", "2024-latest"])
def test_a_release_that_cannot_be_compared_may_be_concerned(release):
    (hit,) = index(osv(events=[{"introduced": "0"}, {"fixed": "1"}])).affecting("pypi", "numpy", release)
    assert not hit.certain


@pytest.mark.parametrize(
    "affected",
    [
        {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]},
        {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "not a version"}]}]},
        {"ranges": []},
    ],
)
def test_a_record_that_does_not_say_which_releases_may_concern_any(affected):
    (hit,) = index(osv(affected=affected)).affecting("pypi", "numpy", "1.0")
    assert not hit.certain


def test_names_of_projects_are_found_however_they_are_spelled():
    assert index(osv(project="Scikit_Learn")).affecting("pypi", "scikit-learn", "1.0")


def test_records_that_share_a_name_are_one_advisory_as_grave_as_the_gravest():
    made = index(
        osv("PYSEC-2026-1", aliases=["CVE-2026-1", "GHSA-1111-1111-1111,"], versions=["1.0"]),
        osv("GHSA-1111-1111-1111", events=[{"introduced": "0"}, {"fixed": "2"}], vector=MEDIUM),
        osv("GHSA-2222-2222-2222", aliases=["CVE-2026-1"], vector=CRITICAL, events=[{"introduced": "5"}]),
    )
    (hit,) = made.affecting("pypi", "numpy", "1.0")
    assert (hit.advisory.id, hit.advisory.score, hit.fixed) == ("CVE-2026-1", 98, ("2",))
    assert set(hit.advisory.names) == {"CVE-2026-1", "PYSEC-2026-1", "GHSA-1111-1111-1111", "GHSA-2222-2222-2222"}
    assert made.affecting("pypi", "numpy", "5.0")
    assert made.affecting("pypi", "numpy", "3.0") == ()


def test_a_withdrawn_record_says_nothing():
    made = index(osv(withdrawn="2026-01-01T00:00:00Z"), osv("GHSA-1111-1111-1111", "six"))
    assert made.affecting("pypi", "numpy", "1.0") == ()


def test_the_gravest_comes_first_and_malicious_code_before_all():
    made = index(
        osv("GHSA-1111-1111-1111"), osv("GHSA-2222-2222-2222", vector=MEDIUM), osv("MAL-2026-1"),
        osv("GHSA-3333-3333-3333", vector=CRITICAL), osv("GHSA-4444-4444-4444", aliases=["CVE-2026-7"]),
        said=Exploitation(known=frozenset({"CVE-2026-7"}), likely={"CVE-2026-7": 50_000}),
    )  # fmt: skip
    hits = made.affecting("pypi", "numpy", "1.0")
    assert [hit.advisory.id for hit in hits] == [
        "MAL-2026-1", "CVE-2026-7", "GHSA-3333-3333-3333", "GHSA-2222-2222-2222", "GHSA-1111-1111-1111",
    ]  # fmt: skip
    assert (hits[1].advisory.exploited, hits[1].advisory.epss) == (True, 50_000)


@pytest.mark.parametrize(
    "record",
    [
        osv("MAL-2026-1"),
        osv("GHSA-1111-1111-1111", aliases=["MAL-2026-1"]),
        osv("GHSA-1111-1111-1111", database_specific={"malicious-packages-origins": []}),
        osv("GHSA-1111-1111-1111", database_specific={"cwe_ids": ["CWE-506"]}),
        osv("GHSA-1111-1111-1111", affected={"database_specific": {"cwes": [{"cweId": "CWE-506"}]}}),
    ],
)
def test_malicious_code_is_known_by_any_of_its_marks(record):
    assert index(record).affecting("pypi", "numpy", "1.0")[0].advisory.malicious


def test_a_file_is_known_by_its_hash_if_the_report_names_the_package_and_not_a_file_in_it():
    whole, part = "a" * 64, "b" * 64
    indicators = {
        "package_integrity": [{"hashes": {"sha256": whole}}],
        "evidence_files": [{"hashes": {"sha256": part}}],
    }
    made = index(osv("MAL-2026-1", affected={"database_specific": {"indicators": indicators}}))
    assert made.file(whole).id == "MAL-2026-1"
    assert made.file(part) is None


def test_what_an_advisory_concerns_is_found_by_any_of_its_names():
    made = index(osv("PYSEC-2026-1", aliases=["CVE-2026-1"]), osv("GHSA-1111-1111-1111", "six", aliases=["CVE-2026-1"]))
    assert made.concerned("CVE-2026-1") == made.concerned("PYSEC-2026-1") == (("pypi", "numpy"), ("pypi", "six"))
    assert made.concerned("CVE-2026-2") == ()


def test_a_channels_package_is_known_by_the_names_that_were_imported_and_else_unknown():
    made = index(osv("PYSEC-2026-1", "torch", aliases=["CVE-2026-1"])).named(
        {"pytorch": ("torch",), "joblib": ("joblib",)}
    )
    assert made.known_as("conda", "pytorch") == made.known_as("pypi", "torch") == (("pypi", "torch"),)
    assert made.known_as("conda", "openssl") == made.known_as("huggingface", "pytorch") == ()
    assert made.concerned("CVE-2026-1") == (("conda", "pytorch"), ("pypi", "torch"))
    again = AdvisoryIndex.load(made.dump(), where="index")
    assert (again.names, again.dump()) == (made.names, made.dump())


def test_reports_of_malice_carry_the_conda_names_of_what_is_reported_and_no_others():
    named = {"pytorch": ("torch", "six"), "torch-gpu": ("torch",), "joblib": ("joblib",), "py-weak": ("weak",)}
    made = index(osv("MAL-2026-1", "torch"), osv("GHSA-1111-1111-1111", "weak")).named(named).reports()
    again = AdvisoryIndex.load(made.dump(), where="reports")
    assert again.names == {"pytorch": ("torch",), "torch-gpu": ("torch",)}
    assert again.same_as("pypi", "torch") == (("conda", "pytorch"), ("conda", "torch-gpu"))
    assert again.same_as("conda", "pytorch") == (("pypi", "torch"),)
    assert again.same_as("pypi", "joblib") == again.same_as("huggingface", "torch") == ()


def test_an_index_is_what_its_own_bytes_say():
    made = index(osv(versions=["1.0"], events=[{"introduced": "2"}, {"fixed": "3"}], vector=CRITICAL), osv("MAL-2026-1", "six"))  # fmt: skip
    again = AdvisoryIndex.load(made.dump(), where="index")
    assert again.dump() == made.dump()
    assert again.affecting("pypi", "numpy", "2.5") == made.affecting("pypi", "numpy", "2.5") != ()
    assert again.feeds == made.feeds


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b'{"format":2}', b"\xff", b"[" * 100_000,
     b'{"format":1,"covers":[],"feeds":{},"advisories":[],"affected":[["pypi","x",[[5,"",[],[],false]]]],"files":{}}'],
)  # fmt: skip
def test_bytes_that_are_no_index_are_refused(data):
    with pytest.raises(CorruptError, match="not an index of advisories"):
        AdvisoryIndex.load(data, where="index")


def _naive(record, project, release):
    """OSV's own algorithm, read from the schema: no index, no order, one record at a time."""
    for affected in record["affected"]:
        if affected["package"]["name"].lower().replace("_", "-").replace(".", "-") != project:
            continue
        named = set()
        for text in affected.get("versions", ()):
            try:
                named.add(Version(text))
            except InvalidVersion:
                continue
        if release in named:
            return True
        for found in affected.get("ranges", ()):
            if found["type"] == "GIT":
                continue
            held = False
            events = [(key, text) for event in found["events"] for key, text in event.items()]
            events.sort(key=lambda event: (Version(event[1]), event[0] != "introduced"))
            for key, text in events:
                if key == "introduced" and (text == "0" or release >= Version(text)):
                    held = True
                elif (key == "fixed" and release >= Version(text)) or (
                    key == "last_affected" and release > Version(text)
                ):
                    held = False
            if held:
                return True
    return False


def test_on_real_data_the_index_answers_as_osv_s_own_algorithm(shared):
    path = shared("osv-pypi-2024-10-10.zip")
    with path.open("rb") as file:
        made = read_osv(file, where=path.name, now=NOW)
    assert (made.records, made.withdrawn, made.skipped) == (2661, 10, 0)
    assert made.taken == datetime(2024, 10, 10, 17, 22, tzinfo=UTC)
    with zipfile.ZipFile(path) as archive:
        records = [json.loads(archive.read(name)) for name in archive.namelist()]
    asked = {"django": ["2.2", "3.2.1", "5.0", "4.2.16"], "numpy": ["1.16.0", "1.21.0"], "tensorflow": ["2.5.0", "2.11.1"],
             "pillow": ["9.0.0", "10.3.0"], "urllib3": ["1.26.4", "2.0.0"], "ansible": ["2.9.27", "8.0.0"]}  # fmt: skip
    compared = 0
    for project, releases in asked.items():
        own = [
            r
            for r in records
            if not r.get("withdrawn") and any(a["package"]["name"].lower() == project for a in r["affected"])
        ]
        for text in releases:
            expected = {r["id"] for r in own if _naive(r, project, Version(text))}
            hits = [hit for hit in made.advisories.affecting("pypi", project, text) if hit.certain]
            found = {name for hit in hits for name in hit.advisory.names}
            assert expected <= found
            assert len(hits) <= len(expected)
            compared += len(expected)
    assert compared > 100
