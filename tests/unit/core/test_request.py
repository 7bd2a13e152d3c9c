import pytest
from pydantic import ValidationError

from sekisho.errors import BadInputError
from sekisho.model import Request, parse_spec
from tests.records import NOW, TARGET, artifact, request, sha


def _parse(**more):
    return Request.parse({**request().plain(), **more}, where="request")


@pytest.mark.parametrize("text", ["numpy", "pandas>=2,<3", "uvicorn[standard]", "tomli; python_version < '3.11'"])
def test_a_requirement_names_a_project(text):
    assert _parse(requirements=[text]).requirements == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "evil @ http://example.invalid/evil.whl",
        "evil@file:///tmp/evil.whl",
        "git+ssh://example.invalid/x",
        "./evil",
        "/tmp/evil.whl",
        "-r other.txt",
        "--index-url=http://example.invalid",
        "-e .",
        "",
        "numpy\n--index-url=http://example.invalid",
        "numpy\n",
        "numpy; os_name == 'a\\\nb'",
        "num py",
        "numpy\x00",
        "\ud800",
        "numpy; 'dev' in dependency_groups",
        "numpy; os_name ~= 'x'",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(BadInputError) as caught:
        _parse(requirements=[text])
    assert "requirements" in caught.value.what
    assert str(caught.value).encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"requirements": []},
        {"requester": ""},
        {"workspace": "../up"},
        {"workspace": "UPPER"},
        {"kind": "npm"},
        {"image": "a/b"},
        {"beside": "a/b"},
        {"constraints": ["six @ http://example.invalid/six.whl"]},
        {"constraints": ["six[fast]==1.0"]},
        {"constraints": ["six==1.0"] * 10_001},
        {"hashes": {"six": ["00"]}},
        {"reason": "x" * 2001},
        {"target": {"python": "3.11.2", "glibc": "2.36", "os": "windows"}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_value_is_named(wrong):
    with pytest.raises(BadInputError, match=next(iter(wrong))):
        _parse(**wrong)


NEW = artifact("six", "1.17.0")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, None),
        ({"constraints": ["Six==1.17.0", "other<1"]}, None),
        ({"constraints": ["six==1.16.0; python_version < '3'"]}, None),
        ({"constraints": ["six<1.17"]}, "six 1.17.0 is not what the constraint six<1.17 says"),
        ({"hashes": {"six": [NEW.sha256]}}, None),
        ({"hashes": {"other": [sha("x")]}}, None),
        ({"hashes": {"six": [sha("x")]}}, f"{NEW.filename} has none of the 1 hashes that were asked for"),
    ],
)
def test_constraints_and_hashes_bind_the_answer(more, said):
    assert _parse(requirements=["six"], **more).objection([NEW]) == said


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("numpy", "numpy"),
        ("NumPy=2.1", "numpy"),
        ("numpy >=2,<3", "numpy"),
        ("numpy 2.1.* py311*", "numpy"),
        ("forge::_libgcc_mutex==0.1=main", "_libgcc_mutex"),
        ("python[version='>=3.11', build=*cpython]", "python"),
    ],
)
def test_a_match_spec_names_a_package(spec, name):
    assert parse_spec(spec) == name
    assert request(conda=(spec,)).asked() == {("pypi", "numpy"), ("conda", name)}


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "-x",
        "https://elsewhere.invalid/noarch/x-1-0.conda",
        "https://elsewhere.invalid::numpy",
        "/tmp/x-1-0.conda",
        "a/b::numpy",
        "numpy[url=https://elsewhere.invalid/x]",
        "numpy[channel=elsewhere]",
        "numpy[subdir=osx-64]",
        "numpy\n",
        "numpy;python_version<'3'",
        "numpy" + "x" * 500,
    ],
)
def test_what_is_no_match_spec_of_a_declared_channel_is_refused(spec):
    with pytest.raises(ValueError, match=r"match spec|brackets"):
        parse_spec(spec)
    with pytest.raises(ValidationError):
        request(conda=(spec,))


def test_a_request_asks_for_something():
    with pytest.raises(ValidationError, match="asks for anything"):
        Request(requester="rita", requirements=(), target=TARGET, at=NOW)
    assert Request(requester="rita", conda=("numpy",), target=TARGET, at=NOW).asked() == {("conda", "numpy")}
