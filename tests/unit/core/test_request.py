import pytest

from sekisho.errors import BadInputError
from sekisho.model import Request
from tests.records import request


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
        {"reason": "x" * 2001},
        {"target": {"python": "3.11.2", "glibc": "2.36", "os": "windows"}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_value_is_named(wrong):
    with pytest.raises(BadInputError, match=next(iter(wrong))):
        _parse(**wrong)
