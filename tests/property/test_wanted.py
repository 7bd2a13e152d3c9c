"""Whatever bytes a file that people ask with has: only our own errors come out, and nothing that nobody could judge."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from sekisho.errors import BadInputError
from sekisho.model import normalize_project, parse_spec
from sekisho.wanted import Choice, read_wanted

MANY = settings(max_examples=2000 if os.environ.get("SEKISHO_SOAK") == "1" else 60)
SHA = "ab" * 32
ELSEWHERE = [
    "evil @ https://files.invalid/evil-1.0-py3-none-any.whl",
    "evil@git+https://code.invalid/evil",
    "evil @ file:///tmp/evil",
    "git+ssh://code.invalid/evil#egg=evil",
    "https://files.invalid/evil-1.0.tar.gz",
    "./evil",
    "../evil-1.0-py3-none-any.whl",
    "/tmp/evil",
    "~/evil",
    ".",
    "evil.whl",
    "C:\\evil",
]
SOURCES = [
    {"git": "https://code.invalid/evil"},
    {"url": "https://files.invalid/evil-1.0-py3-none-any.whl"},
    {"path": "evil-1.0-py3-none-any.whl"},
    {"directory": "../evil"},
    {"registry": "../index"},
    {},
]
UV_LOCK = {
    "version": 1,
    "requires-python": ">=3.11",
    "package": [
        {
            "name": "own",
            "version": "0",
            "source": {"virtual": "."},
            "dependencies": [{"name": "six"}],
            "optional-dependencies": {"x": [{"name": "idna", "marker": "python_version > '3'"}]},
            "dev-dependencies": {"dev": [{"name": "six", "extra": ["y"]}]},
            "metadata": {"requires-dist": [{"name": "six", "specifier": ">=1"}], "requires-dev": {"dev": []}},
        },
        {
            "name": "six",
            "version": "1.0",
            "source": {"registry": "https://packages.invalid/simple"},
            "resolution-markers": ["python_version > '3'"],
            "dependencies": [{"name": "idna"}],
            "wheels": [{"url": "https://packages.invalid/six-1.0-py3-none-any.whl", "hash": f"sha256:{SHA}"}],
        },
        {"name": "idna", "version": "2.0", "source": {"registry": "https://packages.invalid/simple"}},
    ],
}
PYPROJECT = {
    "project": {
        "name": "own",
        "requires-python": ">=3.11",
        "dependencies": ["six>=1", "own[x]"],
        "optional-dependencies": {"x": ["idna ; python_version > '3'", "own[y]"], "y": ["six"]},
        "dynamic": ["version"],
    },
    "dependency-groups": {"dev": ["idna", {"include-group": "more"}], "more": ["six"]},
    "tool": {"uv": {"sources": {"unused": {"git": "https://code.invalid/x"}, "idna": {"index": "x"}}}},
}
PYLOCK = {
    "lock-version": "1.0",
    "created-by": "somebody",
    "requires-python": ">=3.11",
    "extras": ["x"],
    "dependency-groups": ["dev"],
    "default-groups": ["dev"],
    "packages": [
        {
            "name": "six",
            "version": "1.0",
            "marker": "'x' in extras or 'dev' not in dependency_groups",
            "wheels": [
                {
                    "name": "six-1.0-py3-none-any.whl",
                    "url": "https://packages.invalid/six-1.0-py3-none-any.whl",
                    "hashes": {"sha256": SHA},
                }
            ],
        },
        {
            "name": "idna",
            "version": "2.0",
            "wheels": [
                {
                    "name": "idna-2.0-py3-none-any.whl",
                    "url": "https://packages.invalid/idna-2.0-py3-none-any.whl",
                    "hashes": {"sha256": SHA},
                }
            ],
        },
    ],
}
ENVIRONMENT = {
    "name": "x",
    "channels": ["conda-forge"],
    "dependencies": ["python=3.11", "numpy >=2", "conda-forge::scipy", "pip", {"pip": ["six>=1", "idna", "--pre"]}],
}
CHANNEL = "https://channels.invalid/forge"
BUILD = f"{CHANNEL}/linux-64/libx-1.2-h5_0.conda"
FILE = "https://packages.invalid/six-1.0-py3-none-any.whl"
CONDA_LOCK = {
    "version": 1,
    "metadata": {"channels": [{"url": "forge", "used_env_vars": []}], "platforms": ["linux-64"]},
    "package": [
        {
            "name": "libx",
            "version": "1.2",
            "manager": "conda",
            "platform": "linux-64",
            "url": BUILD,
            "hash": {"md5": "ab" * 16, "sha256": SHA},
            "category": "main",
        },
        {
            "name": "six",
            "version": "1.0",
            "manager": "pip",
            "platform": "linux-64",
            "url": FILE,
            "hash": {"sha256": SHA},
            "category": "main",
        },
        {"name": "libx", "version": "1.2", "manager": "conda", "platform": "osx-64", "url": BUILD, "hash": {}},
    ],
}
PIXI = {
    "workspace": {"name": "x", "channels": ["forge", {"channel": CHANNEL}], "platforms": ["linux-64"]},
    "dependencies": {"python": "3.11.*", "libx": {"version": ">=1", "build": "h5*", "channel": "forge"}, "liby": "*"},
    "pypi-dependencies": {"six": ">=1", "idna": {"version": "*", "extras": ["x"]}},
    "target": {"linux-64": {"dependencies": {"libz": "1.2"}}},
    "feature": {"dev": {"dependencies": {"libdev": "==2"}}},
}
PIXI_LOCK = {
    "version": 6,
    "environments": {
        "default": {
            "channels": [{"url": f"{CHANNEL}/"}],
            "packages": {"linux-64": [{"conda": BUILD}, {"pypi": FILE}]},
        }
    },
    "packages": [
        {"conda": BUILD, "sha256": SHA, "md5": "ab" * 16},
        {"pypi": FILE, "name": "six", "version": "1.0", "sha256": SHA},
    ],
}
EXPLICIT = f"""# platform: linux-64
@EXPLICIT
{BUILD}#{"ab" * 16}
{CHANNEL}/noarch/data-1.0-0.tar.bz2#sha256:{SHA}
"""
GOOD = {
    "uv.lock": UV_LOCK,
    "pyproject.toml": PYPROJECT,
    "pylock.toml": PYLOCK,
    "environment.yml": ENVIRONMENT,
    "conda-lock.yml": CONDA_LOCK,
    "pixi.toml": PIXI,
    "pixi.lock": PIXI_LOCK,
}
CHOICES = [Choice(), Choice(("x",)), Choice((), ("dev",)), Choice(("x",), ("dev",)), Choice(("nobody",), ("../x",))]


def _toml(value):
    """Write a value as TOML has it inside a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return '""' if value is None else json.dumps(value)


def _text(name, document):
    if name.endswith(".yml") or name == "pixi.lock":
        return json.dumps(document)
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in document.items())


def _read(name, data, choice):
    """Read a file of these bytes; return what it asks for, nothing where it is refused with its own name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            found = read_wanted(path, choice)
        except BadInputError as error:
            assert error.what  # noqa: PT017 (what it says is the next thing that counts)
            assert len(str(error)) < 20_000  # noqa: PT017
            return None
    for text in (*found.requirements, *found.constraints):
        row = Requirement(text)
        assert row.url is None
        assert normalize_project("pypi", row.name)
    for spec in found.conda:
        assert parse_spec(spec.text.rpartition("::")[2])
        assert spec.where.startswith(str(path))
    return found


def _choice(name):
    return st.sampled_from(CHOICES if name not in {"environment.yml", "pixi.lock"} else CHOICES[:1])


def _places(value, path=()):
    """Give the path to each part of a document."""
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in rows:
        yield from _places(part, (*path, key))


def _with(value, path, part):
    if not path:
        return part
    if isinstance(value, dict):
        return {**value, path[0]: _with(value[path[0]], path[1:], part)}
    return [_with(one, path[1:], part) if number == path[0] else one for number, one in enumerate(value)]


WORDS = st.sampled_from(
    ["six", "own", "../x", "a b", "", "'", "x" * 300, "é", "1", "==1", "sha256:", "virtual", "x and", "\n", "\0", "."]
)
SCALARS = st.one_of(WORDS, st.text(max_size=20), st.integers(-3, 3), st.booleans(), st.just(None), st.just(10**4000))
VALUES = st.recursive(
    SCALARS,
    lambda more: (
        st.lists(more, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "source", "virtual", "pip", "include-group", "x"]), more, max_size=3)
    ),
    max_leaves=6,
)


def test_a_project_of_its_own_that_lies_in_a_list_is_read():
    lock = _with(UV_LOCK, ("package", 0, "source", "virtual"), [])
    assert _read("uv.lock", _text("uv.lock", lock).encode(), Choice()) is not None


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_is_read(name):
    assert _read(name, _text(name, GOOD[name]).encode(), Choice()) is not None


@pytest.mark.parametrize("name", [*GOOD, "requirements.txt"])
@given(data=st.data())
@MANY
def test_any_bytes(name, data):
    _read(name, data.draw(st.binary(max_size=300)), data.draw(_choice("environment.yml")))


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@MANY
def test_any_bytes_in_the_middle_of_what_is_good(name, data):
    text = _text(name, GOOD[name]).encode()
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    end = min(end, begin + 20)
    middle = data.draw(st.binary(max_size=8) | st.sampled_from([b"'", b'"', b"[", b"{", b"=", b"\n", b"@", b"git+"]))
    _read(name, text[:begin] + middle + text[end:], data.draw(_choice(name)))


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@MANY
def test_anything_else_in_one_place_of_what_is_good(name, data):
    places = [path for path in _places(GOOD[name]) if path]
    document = GOOD[name]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places))
        try:
            document = _with(document, path, data.draw(VALUES))
        except (KeyError, TypeError, IndexError):
            continue  # the first change took the second place away
    _read(name, _text(name, document).encode(errors="replace"), data.draw(_choice(name)))


@given(data=st.data())
@MANY
def test_any_bytes_in_an_explicit_file(data):
    assert _read("pins.txt", EXPLICIT.encode(), Choice()) is not None
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(EXPLICIT))] * 2)))
    middle = data.draw(st.binary(max_size=8) | st.sampled_from([b"#", b"/", b"::", b"\n", b"@EXPLICIT", b"%2f"]))
    text = EXPLICIT.encode()
    _read("pins.txt", text[:begin] + middle + text[min(end, begin + 20) :], Choice())


@given(data=st.data(), evil=st.sampled_from(ELSEWHERE), marker=st.sampled_from(["", " ; python_version > '3'"]))
@MANY
def test_no_address_and_no_path_is_asked_for(data, evil, marker):
    line = evil + marker
    where = data.draw(st.sampled_from(["dependencies", "x", "y", "dev", "more"]))
    project = json.loads(json.dumps(PYPROJECT))
    rows = (
        project["project"]["dependencies"]
        if where == "dependencies"
        else project["project"]["optional-dependencies"][where]
        if where in "xy"
        else project["dependency-groups"][where]
    )
    rows.insert(data.draw(st.integers(0, len(rows))), line)
    assert _read("pyproject.toml", _text("pyproject.toml", project).encode(), Choice(("x",), ("dev",))) is None
    environment = json.loads(json.dumps(ENVIRONMENT))
    environment["dependencies"][-1]["pip"].insert(data.draw(st.integers(0, 3)), line)
    assert _read("environment.yml", _text("environment.yml", environment).encode(), Choice()) is None


@given(data=st.data(), source=st.sampled_from(SOURCES))
@MANY
def test_nothing_that_comes_from_elsewhere_is_pinned(data, source):
    lock = json.loads(json.dumps(UV_LOCK))
    lock["package"][data.draw(st.integers(1, 2))]["source"] = source
    assert _read("uv.lock", _text("uv.lock", lock).encode(), data.draw(_choice("uv.lock"))) is None
    project = json.loads(json.dumps(PYPROJECT))
    if set(source) & {"git", "url", "path"}:
        name = data.draw(st.sampled_from(["six", "Six", "SIX"]))
        project["tool"]["uv"]["sources"][name] = data.draw(
            st.sampled_from([source, [source], [{"index": "x"}, source]])
        )
        assert _read("pyproject.toml", _text("pyproject.toml", project).encode(), Choice()) is None
    kinds = {
        "vcs": {"type": "git", "url": "https://code.invalid/x", "commit-id": "0" * 40},
        "directory": {"path": "../x"},
        "archive": {"url": "https://files.invalid/x.zip", "hashes": {"sha256": SHA}},
    }
    pylock = json.loads(json.dumps(PYLOCK))
    kind = data.draw(st.sampled_from(sorted(kinds)))
    package = pylock["packages"][1]
    del package["wheels"]
    package[kind] = kinds[kind]
    assert _read("pylock.toml", _text("pylock.toml", pylock).encode(), data.draw(_choice("pylock.toml"))) is None
