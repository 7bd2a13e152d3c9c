"""One file of all records becomes pieces, in a process of its own: it may be hundreds of megabytes, and hostile.

Run as ``python -I -m sekisho_proxy.conda.importing``. A job comes in as a line, an answer goes out as a line. What it
writes is not in force before the proxy has put the catalogue in its place.
"""

import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from sekisho.errors import CorruptError, SekishoError
from sekisho.model.conda import is_name
from sekisho.zstd import ZstdDecompressor, ZstdError, get_frame_info
from sekisho_proxy.conda.catalogue import Catalogue, Pieces
from sekisho_proxy.conda.packed import read_json
from sekisho_proxy.conda.seen import FirstSeen
from sekisho_proxy.conda.shards import foreign
from sekisho_proxy.conda.value import MOST_NAMES, MOST_REASONS, Refused
from sekisho_proxy.upstream.advice import TAMPERED

MEMORY = 3 << 30
LIMIT = 1 << 30
"""Bytes of JSON; conda-forge's largest had 363 million in 2026."""

_MOST_RECORDS = 5_000_000
_MOST_OF_A_NAME, _LARGEST_NAME = 100_000, 64 << 20
"""Records of one name, and their bytes: the proxy itself reads them, one after the other."""

_MOST_FRAMES = 10_000
_STEP, _HEAD = 1 << 20, 64
_LONGEST_ADDRESS = 1000
"""Bytes of an address that are kept: more than one may have that is followed."""

_SECTIONS = ("packages", "packages.conda")
_KNOWN = frozenset({"info", *_SECTIONS, "removed", "repodata_version"})
_Top = dict[str, dict[str, msgspec.Raw] | list[msgspec.Raw] | int | float | str | bool | None]


class Job(msgspec.Struct, frozen=True):
    """What came (``packed``: as zstd) and where its pieces go; ``now`` is in seconds of the epoch."""

    file: str
    packed: bool
    where: str
    folder: str
    old: str
    new: str
    seen: str
    source: str
    subdir: str
    now: int
    limit: int = LIMIT


class TooMuchError(CorruptError):
    """There is more of it than the job allows."""


class Done(msgspec.Struct, frozen=True):
    """How many names and records there are, and how many names changed; or what is wrong."""

    names: int = 0
    records: int = 0
    changed: int = 0
    error: str = ""
    too_much: bool = False


class _OfAFile(msgspec.Struct):
    sha256: str | None = None


_file = msgspec.json.Decoder(_OfAFile)


def run(job: Job) -> Done:
    """Do one job: the catalogue is in ``job.new`` afterwards, and the stamps are durable.

    Raises ``CorruptError`` for what is no repodata, or too much of it.
    """
    top = read_json(_whole(job), _Top, where=job.where)
    keys, info = sorted(top), top.pop("info", None)
    groups, records = _grouped(top, job.where)
    odd = [name for name in groups if not is_name(name)]
    unnamed = [filename for name in odd for filename, _ in groups.pop(name)]
    pieces = Pieces(Path(job.folder))
    unknown = [key for key in keys if key not in _KNOWN][:MOST_REASONS]
    refused = [Refused(key[:80], "Sekisho does not know this key") for key in unknown]
    refused += [Refused(name[:200], "it is no name of a conda package") for name in unnamed[:MOST_REASONS]]
    said = {key: read_json(raw, object, where=job.where) for key, raw in _mapping(info).items()}
    refused += foreign(said)
    catalogue, changed = pieces.write(_old(job), _joined(groups), refused)
    catalogue = msgspec.structs.replace(catalogue, packages=str(said.get("base_url") or "")[:_LONGEST_ADDRESS])
    seen = FirstSeen(Path(job.seen))
    try:
        hashes = ((name, [sha for _, raw in groups[name] if (sha := _sha256(raw))]) for name in changed)
        seen.take(job.source, job.subdir, catalogue.digests(), hashes, job.now)
    finally:
        seen.close()
    Path(job.new).write_bytes(catalogue.dump())
    return Done(len(groups), records, len(changed))


def _mapping(value: object) -> dict[str, msgspec.Raw]:
    return value if isinstance(value, dict) else {}


def _old(job: Job) -> Catalogue | None:
    with suppress(OSError, CorruptError):
        return Catalogue.load(Path(job.old).read_bytes())
    return None


def _whole(job: Job) -> bytes | bytearray:
    """Return the JSON; raise ``CorruptError`` for too much of it."""
    if not job.packed:
        data = Path(job.file).read_bytes()
        if len(data) > job.limit:
            raise TooMuchError(f"it has more than {job.limit} bytes", where=job.where, todo=TAMPERED)
        return data
    try:
        return _unpacked(job)
    except ZstdError as error:
        raise CorruptError(f"it cannot be unpacked: {error}", where=job.where, todo=TAMPERED) from error


def _unpacked(job: Job) -> bytearray:
    """Unpack step by step: neither what came nor twice the result is ever in memory."""
    with Path(job.file).open("rb") as file:
        stated = get_frame_info(file.read(_HEAD)).decompressed_size
        file.seek(0)
        whole, size = bytearray(min(stated or 0, job.limit)), 0
        frame, frames = ZstdDecompressor(), 1
        left = file.read(_STEP)
        while left or not frame.needs_input:
            if frame.eof:
                frame, frames = ZstdDecompressor(), frames + 1
                if frames > _MOST_FRAMES:
                    raise CorruptError(f"it has more than {_MOST_FRAMES} frames", where=job.where, todo=TAMPERED)
            piece = frame.decompress(left, max_length=_STEP)
            whole[size : size + len(piece)] = piece
            size += len(piece)
            if size > job.limit:
                raise TooMuchError(f"it unpacks to more than {job.limit} bytes", where=job.where, todo=TAMPERED)
            left = frame.unused_data if frame.eof else b""
            if not left and (frame.eof or frame.needs_input):
                left = file.read(_STEP)
                if not left:
                    break
        if not frame.eof:
            raise CorruptError("it ends in the middle", where=job.where, todo=TAMPERED)
    del whole[size:]
    return whole


_Group = list[tuple[str, msgspec.Raw]]


def _grouped(top: object, where: str) -> tuple[dict[str, _Group], int]:
    """Return (file name, record) by the name that a file's name begins with, and how many there are."""
    groups: dict[str, _Group] = {}
    sections = _mapping(top)
    if not any(isinstance(sections.get(section), dict) for section in _SECTIONS):
        raise CorruptError("it is no repodata (CEP 36)", where=where, todo=TAMPERED)
    count = 0
    for section in _SECTIONS:
        rows = _mapping(sections.pop(section, None))  # each dictionary is let go as soon as it is read
        count += len(rows)
        if count > _MOST_RECORDS:
            raise CorruptError(f"it has more than {_MOST_RECORDS} records", where=where, todo=TAMPERED)
        for filename, raw in rows.items():
            parts = filename.rsplit("-", 2)
            name = parts[0] if len(parts) == 3 else ""
            if (group := groups.get(name)) is None:
                groups[name] = [(filename, raw)]
            else:
                group.append((filename, raw))
    if len(groups) > MOST_NAMES:
        raise CorruptError(f"it has more than {MOST_NAMES} names", where=where, todo=TAMPERED)
    if largest := next((name for name, group in groups.items() if len(group) > _MOST_OF_A_NAME), ""):
        raise CorruptError(f"it has more than {_MOST_OF_A_NAME} records of {largest[:80]}", where=where, todo=TAMPERED)
    sizes = ((name, sum(len(raw) for _, raw in group)) for name, group in groups.items())
    if largest := next((name for name, size in sizes if size > _LARGEST_NAME), ""):
        raise CorruptError(f"it has more than {_LARGEST_NAME} bytes on {largest[:80]}", where=where, todo=TAMPERED)
    return groups, count


def _joined(groups: dict[str, _Group]) -> Iterator[tuple[str, bytes]]:
    """Yield each name's piece: a row of file name and record for each of its files, as they stand."""
    for name, group in groups.items():
        yield name, msgspec.json.encode(group)


def _sha256(raw: msgspec.Raw) -> str | None:
    with suppress(msgspec.MsgspecError, RecursionError):
        return _file.decode(raw).sha256
    return None


def attempt(job: Job) -> Done:
    """Do one job; what is wrong is in the answer."""
    try:
        return run(job)
    except TooMuchError as error:
        return Done(error=error.what, too_much=True)
    except SekishoError as error:
        return Done(error=error.what)
    except MemoryError:
        return Done(error=f"it takes more than {MEMORY >> 30} GB of memory to read")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Done(error=f"it cannot be read: {error}")


def main() -> None:
    """Do the job on standard input, bounded by the kernel."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    gc.disable()  # a million objects, and none of them in a circle
    job = msgspec.json.decode(sys.stdin.buffer.read(1 << 20), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(attempt(job)) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
