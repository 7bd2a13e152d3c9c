"""One file of all records becomes pieces, in a process of its own: it may be hundreds of megabytes, and hostile.

Run as ``python -I -m sekisho_proxy.conda.importing``. A job comes in as a line, and then how far its file is; an answer
goes out as a line. What it writes is not in force before the proxy has put the catalogue in its place.
"""

import gc
import hashlib
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from sekisho.errors import CorruptError, SekishoError
from sekisho_proxy.conda.catalogue import Catalogue, Piece, Pieces, digest_of
from sekisho_proxy.conda.coming import Coming
from sekisho_proxy.conda.entire import Entire
from sekisho_proxy.conda.gathering import Gathered
from sekisho_proxy.conda.members import OddError
from sekisho_proxy.conda.outline import Outline
from sekisho_proxy.conda.plain import read_plain
from sekisho_proxy.conda.seen import FirstSeen
from sekisho_proxy.conda.top import said_beside
from sekisho_proxy.conda.unpacking import TooMuchError, ahead, text_of

MEMORY = 3 << 30
LIMIT = 1 << 30
"""Bytes of JSON; conda-forge's largest had 363 million in 2026."""


class Job(msgspec.Struct, frozen=True):
    """What comes (``packed``: as zstd) and where its pieces go; ``now`` is when all of it was there."""

    file: str
    packed: bool
    where: str
    folder: str
    old: str
    new: str
    seen: str
    source: str
    subdir: str
    now: int = 0
    limit: int = LIMIT


class Done(msgspec.Struct, frozen=True):
    """How many names and records there are, and how many names changed; or what is wrong."""

    names: int = 0
    records: int = 0
    changed: int = 0
    error: str = ""
    too_much: bool = False


class _Made(msgspec.Struct):
    """The catalogue, of how many records, and what the new files of names that changed are known by."""

    catalogue: Catalogue
    records: int
    changed: Mapping[str, list[bytes]]


def run(job: Job, coming: Coming | None = None) -> Done:
    """Do one job: the catalogue is in ``job.new`` afterwards, and the stamps are durable.

    Raises ``CorruptError`` for what is no repodata, or too much of it.
    """
    old, coming = _old(job), coming or Coming(None, job.now)
    made = plainly(job, old, coming) or entirely(job, old, coming)
    now = coming.end()  # what did not come whole is no news
    seen = FirstSeen(Path(job.seen))
    try:
        seen.take(job.source, job.subdir, made.catalogue.digests(), made.changed.items(), now)
    finally:
        seen.close()
    Path(job.new).write_bytes(made.catalogue.dump())
    return Done(len(made.catalogue.names), made.records, len(made.changed))


def _old(job: Job) -> Catalogue | None:
    with suppress(OSError, CorruptError):
        return Catalogue.load(Path(job.old).read_bytes())
    return None


def _text(job: Job, coming: Coming) -> Iterator[bytes]:
    return text_of(Path(job.file), coming, packed=job.packed, limit=job.limit, where=job.where)


def plainly(job: Job, old: Catalogue | None, coming: Coming) -> _Made | None:
    """Read it piece by piece, and only what is new; return nothing where that cannot be done."""
    folder = Path(job.folder)
    pieces = Pieces(folder)
    still = pieces.still(old)
    known = Outline.find(folder, still.outline) if still and still.outline else None
    try:
        with pieces.writing(old) as (file, growing), closing(ahead(_text(job, coming))) as text:
            found = read_plain(text, growing, known, job.where)
            gathered = Gathered(found.runs, known, old, growing)
            said = said_beside(found.top, (), where=job.where)
            outline = gathered.outline.keep(folder)
    except OddError:
        return None
    made = Catalogue(file, gathered.names, said.refused, said.packages, outline)
    changed = {name: _each(hashes) for name, hashes in gathered.changed.items()}
    return _Made(made, gathered.records, changed)


def _each(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + 16] for at in range(0, len(hashes), 16)]


def entirely(job: Job, old: Catalogue | None, coming: Coming) -> _Made:
    """Read all of it at once."""
    text = bytearray()
    for piece in _text(job, coming):
        text += piece
    entire = Entire(text, job.where)
    del text  # records lie in it, and let it go with them
    said = said_beside(entire.top, entire.unnamed, where=job.where)
    pieces = Pieces(Path(job.folder))
    still = pieces.still(old)
    names: dict[str, Piece] = {}
    changed = []
    with pieces.writing(old) as (file, growing):
        for name, *parts in entire.parts():
            digest = digest_of(*(part and hashlib.sha256(part).digest() for part in parts))
            known = still.names.get(name) if still else None
            if known is None or known.digest != digest:
                old_at, new_at = (growing.append(part) for part in parts)
                known = Piece(digest, old_at, len(parts[0]), new_at, len(parts[1]))
                changed.append(name)
            names[name] = known
    return _Made(
        Catalogue(file, names, said.refused, said.packages),
        entire.records,
        {name: entire.hashes(name) for name in changed},
    )


def attempt(job: Job, coming: Coming | None = None) -> Done:
    """Do one job; what is wrong is in the answer."""
    try:
        return run(job, coming)
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
    coming = Coming(sys.stdin.buffer)
    done = attempt(msgspec.json.decode(sys.stdin.buffer.readline(1 << 20), type=Job), coming)
    with suppress(CorruptError):
        coming.end()  # who is still told hears it to the end
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
    sys.stdout.flush()
    os._exit(0)  # a million objects need not be taken down one by one


if __name__ == "__main__":
    main()
