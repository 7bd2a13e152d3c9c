"""The build context: a definition's folder as a tar that depends on names, modes and bytes alone, and has a bound.

What says how the image is assembled and how it is tried is no part of it.
"""

import io
import stat
import tarfile
from pathlib import Path

from sekisho.definitions import DEFINITION, VERIFY_FOLDER
from sekisho.errors import BadInputError

LARGEST = 256 << 20
_MOST_FILES = 10_000
_TIME = 315532800


def pack_context(folder: Path, out: Path) -> None:
    """Write the files of ``folder`` into ``out``; raise ``BadInputError`` for a link, a special file, or too much."""
    total = 0
    left = {DEFINITION, VERIFY_FOLDER}
    paths = sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in left)
    if len(paths) > _MOST_FILES:
        raise BadInputError(f"the context has more than {_MOST_FILES} files", where=str(folder))
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            name, kind = path.relative_to(folder).as_posix(), path.lstat().st_mode
            info = tarfile.TarInfo(name)
            info.mtime = _TIME
            if stat.S_ISDIR(kind):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
                continue
            if not stat.S_ISREG(kind):
                raise BadInputError("the context holds a link or a special file", where=str(path))
            data = path.read_bytes() if path.stat().st_size <= LARGEST else b""
            total += path.stat().st_size
            if total > LARGEST:
                raise BadInputError(
                    f"the context has more than {LARGEST} bytes", where=str(folder), todo="take large files out of it"
                )
            info.size, info.mode = len(data), 0o755 if kind & 0o111 else 0o644
            archive.addfile(info, io.BytesIO(data))
