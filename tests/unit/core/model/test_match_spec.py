"""Match specs: what each part says, and what is not read."""

import pytest

from sekisho.model import Artifact, CondaVersion, MatchSpec, VersionSpec, conda_artifact, match_spec, needs_of


def package(version: str = "1.8", build: str = "py311_0", depends: tuple[str, ...] = ()) -> Artifact:
    record = {"name": "pkg", "version": version, "build": build, "build_number": 3, "size": 1, "sha256": "a" * 64}
    record |= {"md5": "b" * 32, "depends": list(depends)}
    return conda_artifact("forge", f"pkg-{version}-{build}.conda", record, subdir="linux-64")


def test_versions_come_in_the_order_of_the_cep() -> None:
    rows = ["0.4", "0.4.1.rc", "0.4.1+local", "0.4.1", "0.4.1+1.local", "0.5a1", "0.5b3", "0.5C1", "0.5", "0.9.6"]
    rows += ["0.960923", "1.0", "1.1dev1", "1.1a1", "1.1.dev1", "1.1.a1", "1.1.0rc1", "1.1", "1.1.post1", "1.1post1"]
    rows += ["1996.07.12", "1!0.4.1", "1!3.1.1.6", "2!0.4.1"]
    assert sorted(set(rows), key=CondaVersion) == rows
    assert CondaVersion("1.1") == CondaVersion("1.1.0.0")
    assert str(CondaVersion("1.1.0")) == "1.1.0"


@pytest.mark.parametrize(
    "text", ["pkg=1.8", "pkg =1.8", "pkg 1.8.*", "pkg 1.8.* *", "pkg=1.8.*=*", "pkg[version='1.8.*']"]
)
def test_a_fuzzy_spec_takes_what_begins_so(text: str) -> None:
    spec = MatchSpec.parse(text)
    assert [row for row in ("1.8", "1.8.1", "1.80") if spec.matches(package(row))] == ["1.8", "1.8.1"]


@pytest.mark.parametrize("text", ["pkg 1.8", "pkg 1.8 *", "pkg==1.8", "pkg=1.8=*", "pkg ==1.8 *", "pkg[version=1.8]"])
def test_an_exact_spec_takes_one_version(text: str) -> None:
    spec = MatchSpec.parse(text)
    assert [row for row in ("1.8", "1.8.0", "1.8.1") if spec.matches(package(row))] == ["1.8", "1.8.0"]


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("forge::pkg", True),
        ("other::pkg", False),
        ("forge/linux-64::pkg >=1", True),
        ("forge/noarch::pkg", False),
        ("pkg * py311_*", True),
        ("pkg * py312_*", False),
        (f"pkg[sha256={'a' * 64}]", True),
        (f"pkg[sha256={'c' * 64}]", False),
        (f"pkg[md5={'b' * 32}]", True),
        ("pkg[build_number='>=4']", False),
        ("pkg (>=1,<1.5)|>=1.8", True),
        ("pkg 1.*.1|*.8", True),
        ("other", False),
        ("*", True),
    ],
)
def test_every_part_counts(text: str, *, matches: bool) -> None:
    assert MatchSpec.parse(text).matches(package()) is matches


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[version=1]",
        "pkg[version=1",
        "pkg ^1.*$",
        "pkg 1 ^py.*$",
        "pkg[url='https://elsewhere.example/x']",
        "pkg[license=MIT]",
        "pkg[version]",
        "pkg >=1.*.2",
        "pkg >",
        "pkg ((1)",
        "pkg " + "(" * 9 + "1" + ")" * 9,
        "pkg[build_number=many]",
        "pkg >=1; if win",
        "x" * 2001,
    ],
)
def test_what_cannot_be_held_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        MatchSpec.parse(text)
    assert match_spec(text) is None


def test_a_star_takes_whatever_there_is() -> None:
    assert VersionSpec("*").contains("no version!!")


@pytest.mark.parametrize("text", ["1+", "1!!2", "1..2", "+1", "1 2"])
def test_versions_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|segment"):
        CondaVersion(text)
    assert not VersionSpec(">=0").contains(text)


def test_what_a_package_needs_is_in_its_record() -> None:
    assert needs_of(package(depends=("python >=3.11,<3.12.0a0", "libfoo"))) == ("python >=3.11,<3.12.0a0", "libfoo")
