"""What the solver is asked over the candidate mount, and what it chooses: by unmodified py-rattler in its process."""

from datetime import UTC, datetime

import pytest

from sekisho.errors import BadInputError, CorruptError, UnresolvableError, UpstreamError
from sekisho.model import Edge, Newest, Request
from sekisho.model.conda import conda_record
from sekisho_builder.conda.offers import newest
from sekisho_builder.conda.resolve import resolve_conda
from sekisho_builder.conda.solver import channels_of
from tests.channels import Channel
from tests.records import NOW, TARGET
from tests.unit.builder.conda.mount import desk, package, stamped

PYTHONS = tuple(
    package("python", version, subdir="linux-64", build="h_0") for version in ("3.10.9", "3.11.8", "3.12.1")
)
MAIN = Channel(
    (
        *PYTHONS,
        package("tool", "1.0", "lib >=1", "python >=3.9", noarch="python"),
        package("tool", "2.0", "lib >=2", "python >=3.9", noarch="python"),
        package("lib", "1.0", subdir="linux-64", build="h1_0"),
        package("lib", "2.0", "__glibc >=2.17", subdir="linux-64", build="h2_0"),
        package("lib", "3.0", "__glibc >=2.40", subdir="linux-64", build="h3_0"),
        package("gpu", "1.0", "__cuda >=12", subdir="linux-64"),
        package("lone", "1.0", "nowhere >=1"),
    )
)
OTHER = Channel((package("lib", "9.0", subdir="linux-64"), package("extra", "1.0", "lib"), package("tool", "9.0")))


def test_the_newest_is_chosen_that_the_target_can_have(process):
    with desk(process, main=MAIN) as at:
        assert at.chosen("tool") == {
            "tool": "noarch/tool-2.0-0.conda",
            "lib": "linux-64/lib-2.0-h2_0.conda",
            "python": "linux-64/python-3.11.8-h_0.conda",
        }


def test_a_name_comes_from_the_first_channel_alone_whatever_is_asked_of_it(process):
    with desk(process, main=MAIN, other=OTHER) as at:
        assert at.chosen("tool", "extra")["lib"] == "linux-64/lib-2.0-h2_0.conda"
        with pytest.raises(UnresolvableError):
            at.chosen("lib >=9")
        assert at.chosen("lib >=9", channels=("other", "main"))["lib"] == "linux-64/lib-9.0-0.conda"
        assert at.chosen("other::lib")["lib"] == "linux-64/lib-9.0-0.conda"
        assert at.chosen("other::lib", channels=("main",))["lib"] == "linux-64/lib-9.0-0.conda"
        assert at.chosen("other::extra", channels=("main",))["lib"] == "linux-64/lib-2.0-h2_0.conda"


def test_no_channel_leads_to_another(process):
    relations = {"channel_relations": {"base": "../other"}}
    with desk(process, main=Channel(MAIN.packages, info=relations, shard_info=relations), other=OTHER) as at:
        with pytest.raises(UnresolvableError):
            at.chosen("extra", channels=("main",))
        assert not [path for path in at.mount.paths("/candidates/conda/other") if path]


def test_what_was_seen_later_than_the_cut_off_or_never_is_no_candidate(process):
    day = 86_400_000
    early, late = stamped(day, package("a", "1.0")), stamped(3 * day, package("a", "2.0"))
    both = Channel((*early.packages, *late.packages, package("a", "3.0")), records={**early.records, **late.records})
    with desk(process, main=both) as at:
        before = datetime.fromtimestamp(2 * 86_400, UTC)
        assert at.chosen("a", resolve_before=before) == {"a": "noarch/a-1.0-0.conda"}
        assert at.chosen("a", resolve_before=datetime.fromtimestamp(3 * 86_400, UTC))["a"] == "noarch/a-1.0-0.conda"
        assert at.chosen("a")["a"] == "noarch/a-3.0-0.conda"


def test_artifacts_are_made_of_what_the_mount_states_and_edges_of_depends(process):
    channel = stamped(1_700_000_000_000, *MAIN.packages)
    with desk(process, main=channel) as at, at.solver("tool") as solver:
        part = resolve_conda(solver, at.offers(solver))
    assert [artifact.name for artifact in part.artifacts] == ["conda:lib 2.0", "conda:python 3.11.8", "conda:tool 2.0"]
    assert all(artifact.uploaded == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) for artifact in part.artifacts)
    assert {artifact.source for artifact in part.artifacts} == {"main"}
    stated = {one.path: one.record for one in MAIN.packages}
    for artifact in part.artifacts:
        record = conda_record(artifact)
        assert {key: stated[artifact.path][key] for key in ("depends", "sha256", "md5", "size")} == {
            key: record[key] for key in ("depends", "sha256", "md5", "size")
        }
    assert set(part.edges) == {
        Edge(project="conda:tool", needs="conda:lib"),
        Edge(project="conda:tool", needs="conda:python"),
    }
    assert part.resolver == "py-rattler 0.28.0"
    assert {node: found.release for node, found in part.newest.items()} == {"conda:tool": "2.0"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nothing-of-this-name", "No candidates were found for nothing-of-this-name"),
        ("gpu", "__cuda >=12, for which no candidates were found"),
        ("tool >=3", "No candidates were found for tool >=3"),
        ("lone", "nowhere >=1, for which no candidates were found"),
    ],
)
def test_why_nothing_fits_is_said_shortly(process, spec, said):
    with desk(process, main=MAIN) as at:
        with pytest.raises(UnresolvableError) as error:
            at.chosen(spec)
        assert said in error.value.what
        assert error.value.where == f"match specs: {spec}; channels: main"
        assert "http" not in error.value.what
        assert len(error.value.what.splitlines()) <= 16


def test_a_channel_that_no_source_declares_is_refused():
    def asked(*specs, channels=()):
        return Request(requester="rita", conda=specs, channels=channels, target=TARGET, at=NOW)

    assert channels_of(asked("a"), ("main", "other")) == ("main", "other")
    assert channels_of(asked("a", channels=("other",)), ("main", "other")) == ("other",)
    for request in (asked("a", channels=("else",)), asked("else::a")):
        with pytest.raises(BadInputError, match="no source of kind conda is called 'else'"):
            channels_of(request, ("main", "other"))


def test_a_channel_that_cannot_be_read_is_no_answer(process):
    with desk(process, main=MAIN) as at:
        at.mount.faults["/candidates/conda/main/linux-64/repodata_shards.msgpack.zst"] = "500"
        with pytest.raises(UpstreamError, match="a channel cannot be read"):
            at.chosen("tool")


def test_what_the_proxy_says_of_a_channel_is_passed_on(process):
    said = {"code": "corrupt", "title": "source 'main' sent what is no repodata", "where": "there", "todo": "do this"}
    with desk(process, main=MAIN) as at:
        at.mount.problems["/candidates/conda/main/linux-64/repodata_shards.msgpack.zst"] = said
        with pytest.raises(CorruptError) as error:
            at.chosen("tool")
    assert error.value.what == "a channel cannot be read: source 'main' sent what is no repodata"
    assert (error.value.where, error.value.todo) == ("there", "do this")


def test_what_a_channel_lists_and_does_not_count_is_said_where_nothing_was_found(process):
    with desk(process, main=MAIN) as at:
        at.mount.refused["main", "noarch", "gone"] = [("gone-1.0-0.conda", "its record has no valid sha256")]
        with at.solver("gone") as solver, pytest.raises(UnresolvableError) as error:
            resolve_conda(solver, at.offers(solver))
        with at.solver("nowhere") as solver, pytest.raises(UnresolvableError) as other:
            resolve_conda(solver, at.offers(solver))
    assert error.value.what.splitlines()[-1] == (
        "main lists gone-1.0-0.conda, which does not count: its record has no valid sha256"
    )
    assert error.value.where == "match specs: gone; channels: main"
    assert "does not count" not in other.value.what


def test_a_token_that_does_not_hold_is_said(process):
    with desk(process, main=MAIN) as at:
        at.proxy._token = "another"
        with pytest.raises(UpstreamError, match="a channel cannot be read"):
            at.chosen("tool")


def test_the_newest_release_is_told_whatever_the_spec_says_and_by_the_order_of_channels():
    def file(version, day):
        seen = datetime(2026, 1, day, tzinfo=UTC) if day else None
        return package("a", version).artifact(source="main", seen=seen)

    files = [file("1.9", 3), file("1.10", 5), file("1.10a", 4), file("2.0", None)]
    assert newest(files, None) == Newest(release="1.10", uploaded=datetime(2026, 1, 5, tzinfo=UTC))
    assert newest(files, datetime(2026, 1, 5, tzinfo=UTC)).release == "1.10a"
    assert newest(files[-1:], None) is None
