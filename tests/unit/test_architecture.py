"""What the tree may not hold, and which way imports run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEPARATOR = "."  # the names below are put together here, so that this file holds none of them
REGISTRIES = [
    SEPARATOR.join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("conda", "io"),
        ("huggingface", "co"),
        ("hf", "co"),
        ("npmjs", "org"),
        ("registry-1", "docker", "io"),
        ("index", "docker", "io"),
        ("hub", "docker", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("azurecr", "io"),
        ("mcr", "microsoft", "com"),
        ("debian", "org"),
    )
]
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def _files():
    """Every file of the tree: what git knows, and what it would be asked to add."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    return sorted({ROOT / name for name in listed if name and (ROOT / name).is_file()})


FILES = _files()


def _holding(pattern):
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[:120]!r}")
    return found


def test_the_tree_was_looked_at():
    assert {ROOT / "pyproject.toml", Path(__file__).resolve()} <= set(FILES)


def test_imports_run_one_way():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_holds_the_host_name_of_a_package_registry(host):
    pattern = re.compile(rb"(?<![\w-])" + re.escape(host.encode()) + rb"(?![\w-])")
    assert _holding(pattern) == []


def test_no_file_holds_a_path_of_this_machine():
    places = [place for place in (ROOT, ROOT.parent / "shared", Path(sys.prefix)) if len(place.parts) > 2]
    assert places
    pattern = re.compile(b"|".join(re.escape(str(place).encode()) + rb"(?![\w-])" for place in places))
    assert _holding(pattern) == []


def test_no_module_has_a_name_that_says_nothing():
    assert [path for path in FILES if path.suffix == ".py" and VAGUE & {path.stem, *path.parts}] == []


def test_every_test_folder_is_a_package():
    folders = {path.parent for path in FILES if path.name.startswith("test_") and path.suffix == ".py"}
    above = {parent for folder in folders for parent in folder.parents if ROOT / "tests" in (parent, *parent.parents)}
    assert [folder for folder in folders | above if not (folder / "__init__.py").exists()] == []


def test_rooms_are_small():
    """A file has 300 lines at most, a function 50: what is larger is more than one thing."""
    rooms = [path for path in FILES if path.suffix == ".py" and path.relative_to(ROOT).parts[1] == "src"]
    assert len(rooms) > 200
    found = []
    for path in rooms:
        text = path.read_text()
        where = path.relative_to(ROOT)
        if (lines := len(text.splitlines())) > 300:
            found.append(f"{where}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 50:
                    found.append(f"{where}: {node.name} has {lines} lines")
    assert found == []
