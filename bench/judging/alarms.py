"""False alarms: the newest wheels of forty much-downloaded projects, which nobody should have to look at."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import parse_wheel_filename

from bench.judging.corpus import shipped_policy
from bench.judging.workbench import pip_download, run
from bench.place import Place
from bench.rows import Row
from sekisho.model import Artifact, Outcome, Verdict
from sekisho.policy import Knowledge
from sekisho.policy.judge import prepare, weigh
from sekisho_proxy.inspect.wheel import Job, inspect_file

POPULAR = (
    "aiohttp", "attrs", "azure-core", "boto3", "botocore", "certifi", "cffi", "charset-normalizer", "click",
    "cryptography", "django", "fastapi", "flask", "fsspec", "google-auth", "grpcio", "huggingface-hub", "idna",
    "jinja2", "matplotlib", "mlflow", "numpy", "packaging", "pandas", "pillow", "pip", "protobuf", "psutil",
    "pyarrow", "pydantic", "pytest", "pyyaml", "requests", "scikit-learn", "scipy", "setuptools", "sqlalchemy",
    "tqdm", "transformers", "urllib3",
)  # fmt: skip
TIMELY = frozenset({"release_age", "yanked", "project_status", "floor", "scanner"})
"""Checks that are about the day, the source or another release, and not about the file."""

_FORM = 1


def take(cache: Path, say: Callable[[str], None]) -> list[Path]:
    """Return the wheels that are kept, or have pip ask PyPI for the newest ones once."""
    folder = cache / f"{_FORM}-popular"
    if not folder.is_dir():
        say(f"asking PyPI once for {len(POPULAR)} much-downloaded projects; their wheels are kept in {cache}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            half = Path(scratch) / "half"
            run([*pip_download(None, half), "--no-deps", *POPULAR], None)
            shutil.move(half, folder)
    return sorted(folder.glob("*.whl"))


def measure_alarms(place: Place, say: Callable[[str], None]) -> list[Row]:
    """Judge them by the rules of the shipped policy that look at the file alone."""
    wheels = take(place.cache, say)
    policy = shipped_policy()
    static = tuple(rule for rule in policy.rules if not rule.feeds and rule.check not in TIMELY)
    bench = prepare(policy.model_copy(update={"rules": static}), Knowledge(), datetime.now(UTC))

    def judge(file: Path) -> Verdict:
        data = file.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        project, release, _, _ = parse_wheel_filename(file.name)
        artifact = Artifact(
            source="pypi", project=project, release=str(release), filename=file.name, path=file.name, sha256=sha256,
            size=len(data),
        )  # fmt: skip
        facts = inspect_file(Job(path=str(file), filename=file.name, sha256=sha256))
        return weigh(bench, artifact, facts, approved=frozenset(), ended={})

    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(judge, wheels))
    count = f"newest wheels of {len(wheels)} projects, {len(static)} rules"
    return [
        _row("false alarms that deny", verdicts, Outcome.DENY, 0, count),
        _row("false alarms for review", verdicts, Outcome.REVIEW, 1, count),
    ]


def _row(name: str, verdicts: list[Verdict], outcome: Outcome, goal: int, count: str) -> Row:
    found = [verdict for verdict in verdicts if verdict.outcome is outcome]
    said = "; ".join(told for verdict in found for told in _told(verdict))
    return Row(name, len(found), "wheels", goal, "lower", note=f"{count}; {said}" if said else count)


def _told(verdict: Verdict) -> Iterator[str]:
    for reason in verdict.reasons:
        if reason.outcome is not Outcome.ALLOW:
            yield f"{verdict.purl.rpartition('=')[2]}: {reason.rule}: {reason.evidence[:80]}"
