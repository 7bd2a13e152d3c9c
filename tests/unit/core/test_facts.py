import pytest

from tests.records import artifact, facts, sha


def test_what_was_measured_completes_what_the_index_said():
    bare = artifact(size=0, index={"provenance": "integrity/x"})
    whole = facts(bare, size=77, metadata_sha256=sha("m"), requires_python=">=3.9").complete(bare)
    assert whole.size == 77
    assert whole.index == {"provenance": "integrity/x", "core-metadata": sha("m"), "requires-python": ">=3.9"}


def test_what_was_measured_beats_what_the_index_said():
    stated = artifact(index={"core-metadata": sha("of the index"), "requires-python": ">=3.7"})
    found = facts(stated, metadata_sha256=sha("m"), requires_python=">=3.9").complete(stated)
    assert found.index == {"core-metadata": sha("m"), "requires-python": ">=3.7"}
    assert facts(stated).complete(stated).index == {"requires-python": ">=3.7"}


def test_of_what_is_no_wheel_the_index_is_believed():
    sdist = artifact(filename="numpy-2.1.0.tar.gz", index={"core-metadata": sha("m")})
    assert facts(sdist).complete(sdist) == sdist


def test_completing_twice_changes_nothing():
    bare = artifact(size=0)
    known = facts(bare, size=5, metadata_sha256=sha("m"))
    assert known.complete(known.complete(bare)) == known.complete(bare)


def test_facts_of_another_file_are_refused():
    with pytest.raises(ValueError, match="not those of"):
        facts(artifact("six")).complete(artifact())
