import json
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from sekisho.errors import BadInputError
from sekisho.model import Approval, Artifact, Record, Target, canonical_json, sha256_hex
from tests.records import NOW, approval, artifact, closure, facts


class Colour(Record):
    name: str
    hue: int = 0


def test_canonical_form_is_sorted_tight_and_utf8():
    assert canonical_json({"b": [1, True, None], "a": "関所"}) == '{"a":"関所","b":[1,true,null]}'.encode()


def test_canonical_form_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"a": 1, "b": {"c": 2, "d": 3}}) == canonical_json({"b": {"d": 3, "c": 2}, "a": 1})


def test_defaults_are_left_out_of_the_canonical_form():
    assert Colour(name="red", hue=0).canonical() == b'{"name":"red"}'


def test_the_digest_is_the_sha256_of_the_canonical_form():
    assert Colour(name="red", hue=7).digest() == sha256_hex(b'{"hue":7,"name":"red"}')


def test_digests_of_known_records_never_change():
    """Approvals in trees that exist are signed over these bytes."""
    linked = closure(artifact(), artifact("six"), edges=[("numpy", "six")])
    records = {"artifact": artifact(), "approval": approval(), "closure": linked, "facts": facts(artifact())}
    assert {name: record.digest()[:16] for name, record in records.items()} == {
        "artifact": "1b8894687f79fa16",
        "approval": "d78abf5729c9254a",
        "closure": "2847a2a5bfccef6c",
        "facts": "7e2810926fc0ac40",
    }


def test_a_record_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Colour(name="red").name = "blue"


def test_an_unknown_key_is_refused_with_file_and_key():
    with pytest.raises(BadInputError) as caught:
        Colour.parse({"name": "red", "shade": 1}, where="colours.yaml")
    assert caught.value.where == "colours.yaml"
    assert "shade" in caught.value.what
    assert caught.value.todo


def test_every_wrong_key_is_named():
    with pytest.raises(BadInputError) as caught:
        Artifact.parse({**artifact().plain(), "sha256": "nope", "size": -1}, where="x")
    assert {"sha256", "size"} <= set(caught.value.what.replace(":", " ").split())


def test_json_that_is_not_json_names_where_it_came_from():
    with pytest.raises(BadInputError) as caught:
        Colour.parse_json(b"{", where="answer of the portal")
    assert caught.value.where == "answer of the portal"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(BadInputError, match="needs a zone"):
        Approval.parse({**approval().plain(), "at": "2026-11-01T00:00:00"}, where="x")


def test_a_time_is_kept_in_utc_and_written_with_z():
    tokyo = datetime(2026, 11, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    assert approval(at=tokyo).plain()["at"] == "2026-11-01T12:00:00Z"
    assert approval(at=tokyo).digest() == approval(at=NOW).digest()


@pytest.mark.parametrize("sha256", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "sha256:" + "a" * 64])
def test_only_64_lower_case_hexadecimal_digits_are_a_sha256(sha256):
    with pytest.raises(ValidationError):
        artifact(sha256=sha256)


@pytest.mark.parametrize(
    ("kind", "project"),
    [("pypi", "Foo_Bar"), ("pypi", "a/b"), ("pypi", ".."), ("huggingface", "../x"), ("conda", "a b")],
)
def test_an_artifact_has_the_one_spelling_of_its_project(kind, project):
    with pytest.raises(ValidationError, match="project"):
        artifact(kind=kind, project=project, filename="x.whl")


@pytest.mark.parametrize("filename", ["a/b.whl", "a\\b.whl", "a b.whl", "a\x00.whl", "a\n.whl", "", "x" * 301])
def test_a_file_name_is_one_plain_path_segment(filename):
    with pytest.raises(ValidationError):
        artifact(filename=filename)


@pytest.mark.parametrize("path", ["/etc/passwd", "a?b", "a#b", "a b", "a\\b", "a\r\nb", "", "a\x00"])
def test_an_upstream_path_is_relative_and_plain(path):
    with pytest.raises(ValidationError):
        artifact(path=path)


@pytest.mark.parametrize(
    ("python", "glibc"),
    [("3.11", "2.36"), ("2.7.18", "2.36"), ("3.11.2rc1", "2.36"), ("3.11.2", "3.0"), ("3.11.2", "2")],
)
def test_a_target_needs_a_full_python_version_and_a_glibc(python, glibc):
    with pytest.raises(ValidationError):
        Target(python=python, glibc=glibc)


def test_a_target_explains_itself():
    target = Target(python="3.12.10", arch="aarch64", glibc="2.28")
    assert str(target) == "Python 3.12.10, linux aarch64, glibc 2.28"
    assert (target.python_minor, target.glibc_version) == ((3, 12), (2, 28))


def test_the_canonical_form_is_what_other_json_readers_read():
    record = approval(artifact("six", index={"requires-python": ">=3"}))
    assert json.loads(record.canonical()) == record.plain()
