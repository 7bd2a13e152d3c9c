import pytest

from sekisho.errors import BadInputError
from sekisho.wanted import Named, read_wanted

ENVIRONMENT = """name: work
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - numpy=2.1
  - conda-forge::cudatoolkit>=11
  - pip:
      - six>=1.16  # why
      - -r more.txt
      - idna==3.11
"""


def _read(tmp_path, text):
    path = tmp_path / "environment.yml"
    path.write_text(text)
    return read_wanted(path)


def test_the_pip_section_is_taken_and_the_rest_is_named(tmp_path):
    (tmp_path / "more.txt").write_text("pytz\n")
    found = _read(tmp_path, ENVIRONMENT)
    assert found.requirements == ("six>=1.16", "pytz", "idna==3.11")
    assert [row.text for row in found.conda] == ["python=3.11", "pip", "numpy=2.1", "conda-forge::cudatoolkit>=11"]
    where = tmp_path / "environment.yml"
    assert found.conda[2].where == f"{where}, line 6"
    assert found.channels == (Named("conda-forge", str(where)),)
    assert found.python == "==3.11.*"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("python", None),
        ("python=3.11", "==3.11.*"),
        ("python 3.11.*", "==3.11.*"),
        ("python==3.11.4", "==3.11.4"),
        ("python=3.11.4=h2755cc3_0_cpython", "==3.11.4"),
        ("python >=3.10,<3.13", ">=3.10,<3.13"),
        ("python>3.10", ">3.10"),
        ("conda-forge::python=3.12", "==3.12.*"),
        ("python-dateutil", None),
    ],
)
def test_what_conda_says_of_python_is_understood(tmp_path, said, meant):
    found = _read(tmp_path, f"dependencies:\n  - {said}\n  - pip: [six]\n")
    assert found.python == meant
    assert [row.text for row in found.conda] == [said]


WRONG = {
    "no yaml": ("dependencies: [six\n", 2, "not valid YAML"),
    "tabs": ("dependencies:\n\t- six\n", 2, "not valid YAML"),
    "an anchor": ("dependencies: &all\n  - six\n", 1, "anchors"),
    "a key twice": ("name: a\nname: b\n", 2, "stands twice"),
    "an address": (
        "dependencies:\n  - pip:\n    - six\n    - x @ https://files.invalid/x.whl\n",
        4,
        "names an address",
    ),
    "an option": ("dependencies:\n  - pip:\n    - --extra-index-url https://index.invalid/\n", 3, "leads elsewhere"),
    "a number": ("dependencies:\n  - pip:\n    - 5\n", 3, "no requirement"),
    "a section of one word": ("dependencies:\n  - six\n  - pip: idna\n", 3, "`pip` is no list of requirements"),
    "another section": ("dependencies:\n  - npm:\n    - left-pad\n", 2, "no section that is known"),
    "a package that is none": ("dependencies:\n  - 3.5\n", 2, "no package"),
    "an unknown key": (
        "dependencies:\n  - six\npip-repositories: [x]\n",
        3,
        "an environment has no 'pip-repositories'",
    ),
    "channels that are none": ("channels: forge\ndependencies: [six]\n", 1, "not a list of names"),
    "an address of a package": ("dependencies:\n  - six\n  - https://x.invalid/y.conda\n", 3, "no match spec"),
    "a regular expression": ("dependencies:\n  - six ^1.*$\n", 2, "is no"),
    "a strange python": ("dependencies:\n  - six\n  - python=latest\n", 3, "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, name):
    text, line, said = WRONG[name]
    with pytest.raises(BadInputError, match=said) as caught:
        _read(tmp_path, text)
    assert caught.value.where == f"{tmp_path / 'environment.yml'}, line {line}"


@pytest.mark.parametrize("text", ["", "[]", "name: x\n", "dependencies: six\n", "dependencies:\n"])
def test_an_environment_without_a_list_is_none(tmp_path, text):
    with pytest.raises(BadInputError, match="has a list `dependencies`"):
        _read(tmp_path, text)


def test_channels_are_named_with_their_lines_and_nodefaults_is_none(tmp_path):
    text = "channels:\n  - forge\n  - nodefaults\n  - https://x.invalid/lab\ndependencies: [six]\nvariables: {A: b}\n"
    found = _read(tmp_path, text)
    where = tmp_path / "environment.yml"
    assert found.channels == (
        Named("forge", f"{where}, line 2"),
        Named("https://x.invalid/lab", f"{where}, line 4"),
    )
    assert found.ignored == ("its variables are set by whoever runs the environment",)
