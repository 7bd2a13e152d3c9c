"""GuardDog beside our own inspection: what it notices is a signal, and whatever becomes of it holds nothing up.

It is somebody else's program in an environment of its own, run in a process with bounds and no network. A file that it
did not look at, for whatever reason, is unknown to it, and the facts say so.
"""

import asyncio
import json
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from sekisho.model import Artifact, Facts, Scan, canonical_json, sha256_hex
from sekisho_proxy.disk_cache import DiskCache
from sekisho_proxy.flights import Flights
from sekisho_proxy.inspect.confined import NO_NAMESPACE

_LOG = logging.getLogger("sekisho.proxy")
SCANNER = "guarddog"
_CONFINED = (sys.executable, "-I", "-m", "sekisho_proxy.inspect.confined")
_SECONDS = 300
"""The longest that one file may take; the slowest of forty much-downloaded wheels took 70 s."""

_LARGEST = 1 << 30
_LONGEST_ANSWER = 64 << 20
_MOST = 200
_CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class Scanning:
    """Scans one file at a time. ``program`` is GuardDog's, ``None`` where the site has none.

    ``wait`` is how many seconds an inspection waits for a scan; it goes on meanwhile, and is known the next time.
    """

    def __init__(self, program: Path | None, known: DiskCache, *, wait: float, seconds: int = _SECONDS) -> None:
        self._program = program.absolute() if program else None
        self._known = known
        self._wait = wait
        self._seconds = seconds
        self._too_slow = f"it took more than {seconds} s"
        self._flights = Flights()
        self._one = asyncio.Semaphore(1)

    async def close(self) -> None:
        """Stop what is under way."""
        await self._flights.cancel()

    async def add(self, facts: Facts, artifact: Artifact, path: Callable[[], Awaitable[Path]]) -> Facts:
        """Return facts with what the scanner noticed; ``path`` gives the file where it has to be looked at."""
        if self._program is None or not artifact.filename.endswith(".whl"):
            return facts
        return facts.model_copy(update={"scans": (await self._scan(self._program, facts, artifact, path),)})

    async def _scan(self, program: Path, facts: Facts, artifact: Artifact, path: Callable[[], Awaitable[Path]]) -> Scan:
        if facts.unpacked > _LARGEST:
            return _unknown(f"it unpacks to {facts.unpacked} bytes")
        try:
            changed = os.stat(program).st_mtime_ns  # noqa: PTH116 (one system call, on a local disk)
        except OSError as error:
            return _unknown(f"there is no scanner at {program}: {error.strerror}")
        key = sha256_hex(canonical_json([artifact.sha256, artifact.filename, str(program), changed]))
        known = self._known.get(key)
        if known is not None:
            return Scan.parse_json(known, where="remembered scans")
        flight = self._flights.start(key, lambda: self._look(program, artifact, path, key))
        done, _ = await asyncio.wait({flight}, timeout=self._wait)
        return flight.result() if done else _unknown("it is still being scanned; ask again later")

    async def _look(self, program: Path, artifact: Artifact, path: Callable[[], Awaitable[Path]], key: str) -> Scan:
        try:
            async with self._one:
                file = await path()
                with tempfile.TemporaryDirectory(prefix="sekisho-scan-") as scratch:
                    scan = await self._run(program, artifact, file, Path(scratch))
        except Exception as error:  # noqa: BLE001 (whatever fails here is no reason to hold a file up)
            _LOG.warning("%s was not scanned: %s", artifact.filename, error)
            return _unknown(f"the scan failed: {error}")
        if scan.problem:
            _LOG.warning("%s was not scanned: %s", artifact.filename, scan.problem)
        if not scan.problem or scan.problem == self._too_slow:
            self._known.put(key, scan.canonical())
        return scan

    async def _run(self, program: Path, artifact: Artifact, file: Path, scratch: Path) -> Scan:
        home, target, answer = _lay(scratch, file, artifact.filename)
        command = (str(program), "pypi", "scan", str(target), "--output-format", "json", "--no-sandbox")
        with answer.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *_CONFINED,
                str(self._seconds),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"},
                cwd=home,
                start_new_session=True,
            )
            try:
                status = await asyncio.wait_for(process.wait(), self._seconds)
            except TimeoutError:
                return _unknown(self._too_slow)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status == NO_NAMESPACE:
            return _unknown("this system does not let a process be without a network")
        return await asyncio.to_thread(_heard, answer, status)


def _lay(scratch: Path, file: Path, filename: str) -> tuple[Path, Path, Path]:
    """Return a home, the file under its own name, and where the answer goes."""
    home, target = scratch / "home", scratch / filename
    home.mkdir()
    target.symlink_to(file.absolute())
    return home, target, scratch / "answer"


def _heard(answer: Path, status: int) -> Scan:
    if answer.stat().st_size > _LONGEST_ANSWER:
        return _unknown("it said too much")
    return read_answer(answer.read_bytes(), status)


def read_answer(data: bytes, status: int) -> Scan:
    """Return what GuardDog noticed: the names of its rules that found something."""
    try:
        said = json.loads(data)
        results, errors = said["results"], said["errors"]
        found = sorted(name for name, places in results.items() if places and _CODE.fullmatch(name))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _unknown(f"it ended with status {status} and said nothing that can be read")
    if errors:
        return _unknown(f"it failed: {', '.join(map(str, errors))}")
    return Scan(scanner=SCANNER, findings=tuple(found[:_MOST]))


def _unknown(problem: str) -> Scan:
    printable = "".join(letter if letter.isprintable() else " " for letter in problem)
    return Scan(scanner=SCANNER, problem=printable[:300])
