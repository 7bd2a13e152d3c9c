"""What is judged: real advisories, and artifacts of the projects that they are on and of many that they are not on."""

import os
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench.place import ROOT, MeasureError
from sekisho.advisories import AdvisoryIndex
from sekisho.advisories.zip_import import Imported, read_osv
from sekisho.model import Artifact, Facts
from sekisho.model.base import sha256_hex
from sekisho.policy import Knowledge, Policy, parse_policy
from sekisho.policy.distance import Names

DATA = "osv-pypi-2024-10-10.zip"
NOW = datetime(2024, 10, 12, tzinfo=UTC)
"""Two days after the data is of: every clock here is set."""

_SEED = 20241012
_QUIET = 4500
_LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "Apache-2.0 AND MIT", "MPL-2.0", "LGPL-3.0-only")


class Corpus(NamedTuple):
    """Artifacts with their facts, and what is known."""

    artifacts: Sequence[Artifact]
    facts: Mapping[str, Facts]
    known: Knowledge
    advisories: AdvisoryIndex


def data_file() -> Path:
    """Return the file of the real advisories; raise ``MeasureError`` saying what to fetch if it is not there."""
    folder = Path(os.environ.get("SEKISHO_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / DATA).is_file():
        raise MeasureError(f"put {DATA} into {folder}, or point SEKISHO_TEST_DATA to where it is")
    return folder / DATA


def load_data() -> Imported:
    """Read the real advisories."""
    with data_file().open("rb") as file:
        return read_osv(file, where=DATA, now=NOW)


def make_corpus(imported: Imported, releases: int) -> Corpus:
    """Make ``releases`` artifacts of each project, one project in eight with an advisory; the same every time."""
    chance = random.Random(_SEED)  # noqa: S311 (the same corpus every time)
    concerned = sorted(project for kind, project in imported.advisories.projects() if kind == "pypi")
    names = [*concerned, *(f"quiet-{number:04d}-{chance.choice(('tools', 'core', 'io'))}" for number in range(_QUIET))]
    artifacts = [_artifact(name, number, chance) for name in names for number in range(releases)]
    facts = {one.sha256: _facts(one, chance) for one in artifacts}
    known = Knowledge(advisories=imported.advisories, names={"pypi": Names(names)})
    return Corpus(artifacts, facts, known, imported.advisories)


def shipped_policy() -> Policy:
    """Return the policy that the project ships."""
    return parse_policy((ROOT / "allowlists" / "policy.yaml").read_text())


def _artifact(project: str, number: int, chance: random.Random) -> Artifact:
    release = f"{chance.randint(0, 5)}.{chance.randint(0, 30)}.{number}"
    filename = f"{project.replace('-', '_')}-{release}-py3-none-any.whl"
    return Artifact(
        source="pypi",
        project=project,
        release=release,
        filename=filename,
        path=f"packages/{filename}",
        sha256=sha256_hex(filename.encode()),
        size=chance.randint(10_000, 50_000_000),
        uploaded=NOW - timedelta(days=chance.randint(1, 2000)),
    )


def _facts(artifact: Artifact, chance: random.Random) -> Facts:
    return Facts(
        sha256=artifact.sha256,
        size=artifact.size,
        license_expression=chance.choice(_LICENCES),
        native=("a.so",) if chance.random() < 0.2 else (),
    )
