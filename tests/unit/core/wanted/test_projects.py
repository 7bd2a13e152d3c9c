import pytest

from sekisho.errors import BadInputError
from sekisho.wanted import Choice, read_wanted

PROJECT = """[project]
name = "Demo.App"
version = "0"
requires-python = ">=3.11"
dependencies = ["six>=1.16", "tomli ; python_version < '3.11'"]

[project.optional-dependencies]
plot = ["matplotlib"]
all = ["demo-app[plot]", "idna"]

[dependency-groups]
Test = ["pytest>=8", {include-group = "lint"}]
lint = ["ruff"]

[tool.uv.sources]
ruff = [{ index = "mine", marker = "sys_platform == 'linux'" }]
matplotlib = { git = "https://code.invalid/matplotlib" }
"""


def _read(tmp_path, text, *, extras=(), groups=(), name="pyproject.toml"):
    path = tmp_path / name
    path.write_text(text)
    return read_wanted(path, Choice(extras, groups))


def test_what_a_project_needs_is_asked_for(tmp_path):
    found = _read(tmp_path, PROJECT)
    assert found.requirements == ("six>=1.16", 'tomli; python_version < "3.11"')
    assert found.python == ">=3.11"


def test_groups_are_chosen_with_what_they_include(tmp_path):
    found = _read(tmp_path, PROJECT, groups=("test",))
    assert found.requirements[2:] == ("pytest>=8", "ruff")
    (said,) = found.ignored
    assert said.startswith(f"{tmp_path / 'pyproject.toml'}, line 15: the index of ruff is ignored")


def test_an_extra_may_name_other_extras_of_the_project(tmp_path):
    text = PROJECT.replace("git =", "index =")
    assert _read(tmp_path, text, extras=("ALL",)).requirements[2:] == ("idna", "matplotlib")


def test_what_does_not_come_from_an_index_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="matplotlib comes from a git") as caught:
        _read(tmp_path, PROJECT, extras=("plot",))
    assert caught.value.where.endswith("pyproject.toml, line 15")


def test_groups_need_no_project(tmp_path):
    assert _read(tmp_path, '[dependency-groups]\ndev = ["six"]\n', groups=("dev",)).requirements == ("six",)


WRONG = {
    "no toml": ("[project\n", (), (), "line 1", "not valid TOML"),
    "cut short": ('[project]\nname = "x"\ndependencies = [\n', (), (), "line 4", "not valid TOML"),
    "an address": (
        '[project]\nname = "x"\ndependencies = [\n  "six",\n  "y @ https://files.invalid/y.whl",\n]\n',
        (), (), "line 5", "names an address",
    ),
    "poetry's": ("[tool.poetry.dependencies]\nsix = '*'\n", (), (), "", "no .project. table .only poetry"),
    "nothing": ("", (), (), "", "no .project. table"),
    "dynamic": ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', (), (), "", "dynamic"),
    "no list": ('[project]\nname = "x"\ndependencies = "six"\n', (), (), "", "not a list of strings"),
    "no table": ("project = 1\n", (), (), "", "is not a table"),
    "unknown extra": (PROJECT, ("nope",), (), "", "there is no extra nope"),
    "unknown group": (PROJECT, (), ("nope",), "", "there is no dependency group nope"),
    "a circle": (
        '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n',
        (), ("a",), "line 1", "Cyclic",
    ),
    "a strange group": ('[dependency-groups]\na = [{path = "b"}]\n', (), ("a",), "line 1", "Invalid dependency group"),
    "a group of numbers": ("[dependency-groups]\na = [1]\n", (), ("a",), "line 1", "Invalid dependency group"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named(tmp_path, name):
    text, extras, groups, line, said = WRONG[name]
    with pytest.raises(BadInputError, match=said) as caught:
        _read(tmp_path, text, extras=extras, groups=groups)
    assert caught.value.where == ", ".join(filter(None, [str(tmp_path / "pyproject.toml"), line]))


def test_deep_nesting_is_no_crash(tmp_path):
    with pytest.raises(BadInputError, match="not valid TOML"):
        _read(tmp_path, "x = " + "[" * 100_000)


@pytest.mark.parametrize(("name", "choice"), [("poetry.lock", {}), ("setup.cfg", {}), ("r.txt", {"extras": ("x",)})])
def test_a_format_that_is_not_read_says_which_are(tmp_path, name, choice):
    with pytest.raises(BadInputError, match=r"this format is not read|neither extras nor groups"):
        _read(tmp_path, "six\n", name=name, **choice)


def test_a_key_of_very_many_parts_is_refused_with_its_line(tmp_path):
    """Python's reader takes the square of their number: hours for one line of a megabyte."""
    for part in ("a.", '"a.\\"" . ', "'a'."):
        with pytest.raises(BadInputError, match="a key of more than 100 parts") as caught:
            _read(tmp_path, f'{PROJECT}\n[tool.x]\ny = "1.2.3"\n{part * 100_000}z = 1\n')
        assert caught.value.where.endswith(f"pyproject.toml, line {PROJECT.count(chr(10)) + 4}")
    assert _read(tmp_path, f"{PROJECT}\n[tool.x]\n{'a.' * 99}z = 1\n").requirements


def test_groups_that_double_one_another_are_counted_before_they_are_put_together(tmp_path):
    def groups(count):
        lines = (f"g{n} = [{{include-group = 'g{n + 1}'}}, {{include-group = 'g{n + 1}'}}]" for n in range(count))
        return "[project]\nname = 'x'\n[dependency-groups]\n" + "\n".join(lines) + f"\ng{count} = ['six']\n"

    assert _read(tmp_path, groups(10), groups=("g0",)).requirements == ("six",)
    with pytest.raises(BadInputError, match="more than 5000 requirements"):
        _read(tmp_path, groups(60), groups=("g0",))


def test_an_empty_requirement_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="is not a requirement"):
        _read(tmp_path, PROJECT.replace('"six>=1.16"', '""'))
