"""The figure of sameness: of many locks, how many give the same image on what might as well be another machine."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.images.site import Site
from bench.place import ROOT, MeasureError
from bench.rows import Row

_LOCKS = 60
_FEW = 6


def measure_sameness(site: Site) -> list[Row]:
    """Assemble every lock here, and there: another minor of Python where one is found, one core, no zlib-ng, and so on.

    The cases, and the program that assembles them, are those of the tests.
    """
    site.say("the same locks in two environments")
    folder = site.folder("sameness")
    tests = importlib.import_module("tests.integration.builder.test_same_bytes")
    (folder / "cases").mkdir()
    tests.make_cases(folder / "cases", _FEW if site.quick else _LOCKS)
    (folder / "other" / "zlib_ng").mkdir(parents=True)
    (folder / "other" / "zlib_ng" / "__init__.py").touch()
    (folder / "other" / "zlib_ng" / "zlib_ng.py").write_text(tests.OTHER_ZLIB)
    python = str(tests.MINOR) if tests.MINOR.exists() else sys.executable
    here = _digests(folder / "cases", sys.executable, [], ("022", "all"), LC_ALL="C", TZ="UTC")
    there = _digests(
        folder / "cases", python, [str(folder / "other")], ("077", "one"),
        LC_ALL="C.UTF-8", LANG="de_DE.UTF-8", TZ="Pacific/Auckland", PYTHONHASHSEED="7",
    )  # fmt: skip
    same = sum(there.get(case) == digest for case, digest in here.items())
    pythons = " and ".join(_version(one) for one in dict.fromkeys((sys.executable, python)))
    note = f"Python {pythons}; zlib-ng and zlib; umask, locale, time zone, cores and hash seed differ"
    what = f"locks of {len(here)} with the same digest in two environments"
    return [Row(what, 100 * same / len(here), "%", 100, "higher", note=note)]


def _version(python: str) -> str:
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.check_output(command, text=True).strip()


def _digests(cases: Path, python: str, first: list[str], how: tuple[str, str], **environment: str) -> dict[str, str]:
    source = [*first, str(ROOT), *(str(ROOT / room / "src") for room in ("core", "builder"))]
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    environment = {**kept, "PYTHONPATH": ":".join(source), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [python, "-m", "tests.integration.builder.many_locks", str(cases), *how]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise MeasureError(f"the locks cannot be assembled: {done.stderr.strip()[-300:]}")
    return dict(json.loads(done.stdout))
