"""Hashed requirements by uv, or by pip-tools: the same pins and hashes, from the same pages of a door."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import uv

from sekisho.bare import bare
from sekisho.errors import BadInputError, SekishoError, UnresolvableError, UpstreamError
from sekisho.lock import Answer, DoorAddress, Pinned, ToLock, hash_pins
from sekisho_builder.locking.room import Room
from sekisho_builder.programs import Said
from sekisho_builder.solver import asked as as_lines
from sekisho_builder.solver import uv_version

_NOTHING_FITS = (
    "No solution found",
    "not found in the package registry",
    "ResolutionImpossible",
    "No matching distribution",
    "Could not find a version",
    "DistributionNotFound",
    "NoCandidateFound",
)
_LAST = 12


def uv_compile(asked: ToLock, door: DoorAddress, *, token: str | None, ca: Path | None) -> Answer:
    """Resolve by uv, for any target."""
    target = asked.target
    with Room(token=token, ca=ca) as room:
        command = [
            uv.find_uv_bin(), "pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate", "--no-config",
            "--cache-dir", str(room.folder / "cache"), "--only-binary", ":all:", "--no-python-downloads",
            "--color", "never", "--python", sys.executable, "--python-version", target.python,
            "--python-platform", f"{target.arch}-manylinux_{target.glibc.replace('.', '_')}",
            *_bound(asked, room),
        ]  # fmt: skip
        index = {"UV_DEFAULT_INDEX": room.with_login(door.index), "UV_HTTP_RETRIES": "1"}
        done = room.run(command, given=as_lines(asked.requirements), more=index)
    return _read(done, done.output, f"uv {uv_version()}")


def pip_tools(asked: ToLock, door: DoorAddress, *, token: str | None, ca: Path | None) -> Answer:
    """Resolve by pip-compile, which answers for the interpreter that it runs on and for no other."""
    here = sys.version_info[:2]
    if asked.target.python_minor != here:
        raise BadInputError(
            f"pip-tools runs on Python {here[0]}.{here[1]} here, and answers for that alone",
            where=str(asked.target),
            todo="use the engine uv, which answers for every target",
        )
    with Room(token=token, ca=ca) as room:
        given = room.write("requirements.in", as_lines(asked.requirements) + "\n")
        out = room.folder / "requirements.txt"
        command = [
            sys.executable, "-m", "piptools", "compile", str(given), "--output-file", str(out), "--generate-hashes",
            "--no-header", "--no-annotate", "--no-config", "--no-emit-index-url", "--no-emit-trusted-host",
            "--strip-extras", "--allow-unsafe", "--quiet", "--cache-dir", str(room.folder / "cache"),
            "--pip-args", "--only-binary=:all: --retries=1 --disable-pip-version-check",
            *_bound(asked, room),
        ]  # fmt: skip
        index = {"PIP_INDEX_URL": room.with_login(door.index), "PIP_CONFIG_FILE": "/dev/null"}
        done = room.run(command, more=index)
        text = out.read_text() if done.status == 0 else ""
    return _read(done, text, f"pip-tools {version('pip-tools')}")


def _bound(asked: ToLock, room: Room) -> Sequence[str]:
    if not asked.constraints:
        return ()
    return "--constraint", str(room.write("constraints.txt", as_lines(asked.constraints) + "\n"))


def _read(done: Said, text: str, resolver: str) -> Answer:
    if done.status != 0:
        raise explained(done, resolver)
    pins = hash_pins(text, where=f"the answer of {resolver}")
    packages = tuple(Pinned(project=pin.project, release=pin.release, hashes=pin.hashes) for pin in pins)
    return Answer(resolver=resolver, packages=packages)


def explained(done: Said, resolver: str) -> SekishoError:
    """Turn a tool's last words into an error: what it derives is the reason that a person needs."""
    said = bare(done.errors or done.output)
    lines = [line.rstrip() for line in said.rpartition("\nTraceback ")[2].splitlines() if line.strip()]
    if len(lines) > 1 and "\nTraceback " in f"\n{said}":  # of the steps to an exception, only its words count
        lines = [line for line in lines[1:] if not line.startswith(" ")]
    text = "\n".join(lines[-_LAST:]).removeprefix("error: ")
    if any(words in text for words in _NOTHING_FITS):
        return UnresolvableError(
            text, where=resolver, todo="have what it names approved, or change the requirement that it names"
        )
    return UpstreamError(f"{resolver} could not answer: {text}", where="the door", todo="try again later")
