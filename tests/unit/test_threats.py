"""The page of threats cannot rot: each row names tests, and each test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "threats.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")][1:]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def _tests(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_the_page_has_its_rows():
    assert len(ROWS) >= 18
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip()[:40] for row in ROWS])
def test_each_row_says_what_happens_and_names_tests_that_exist(row):
    threat, happens, shown = map(str.strip, row)
    assert threat
    assert happens
    named = TEST.findall(shown)
    assert named
    assert " ".join(f"`{path}::{name}`" for path, name in named) == shown
    for path, name in named:
        assert name in _tests(ROOT / path), f"{path}::{name}"
