"""Where large shared test data lies: outside the repository, fetched by nobody, named by `SEKISHO_TEST_DATA`."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def folder() -> Path:
    return Path(os.environ.get("SEKISHO_TEST_DATA") or ROOT.parent / "shared" / "data")


def find(name: str, folder: Path, *, required: bool) -> Path:
    """Return the file `name`; without it fail where data is required, and skip elsewhere, saying what to fetch."""
    path = folder / name
    if path.exists():
        return path
    message = f"test data is missing: put {name} into {folder}, or point SEKISHO_TEST_DATA to the folder that has it"
    if required:
        pytest.fail(message)
    pytest.skip(message)
