"""The inspection, top to bottom: a file of unknown intent becomes facts."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sekisho.errors import ConfusingError, CorruptError
from sekisho.model import Facts, Record
from sekisho.zip_layout import check_layout
from sekisho_proxy.inspect.conda import inspect_conda
from sekisho_proxy.inspect.conda_places import is_client_settings
from sekisho_proxy.inspect.contents import check_bomb, check_record, read_contents
from sekisho_proxy.inspect.findings import finding, findings
from sekisho_proxy.inspect.metadata import dist_info, stated, wheel_identity
from sekisho_proxy.inspect.modules import importable
from sekisho_proxy.inspect.sdist import inspect_sdist
from sekisho_proxy.inspect.startup import in_prefix, startup_files

INSPECTOR_VERSION = "4"
"""Part of the key under which facts are remembered; a change here inspects everything again."""

PATIENCE = 60.0
_BYTES_PER_SECOND = 10 << 20
_BYTES_PER_SECOND_BZ2 = 1 << 20


class Job(Record):
    """One file to inspect. ``core_metadata`` is the METADATA's sha256 if the index stated one.

    ``record`` is what a channel says of a conda package, ``None`` of any other file.

    With ``provenance``, a file, not the wheel at ``path`` is opened: that provenance is verified by ``trust_root``.
    """

    path: str
    filename: str
    sha256: str
    core_metadata: str | None = None
    record: str | None = None
    provenance: str = ""
    trust_root: str = ""


def patience(filename: str, size: int, base: float = PATIENCE) -> float:
    """Return how many seconds the inspection of a file of ``size`` bytes may take."""
    return base + size / (_BYTES_PER_SECOND_BZ2 if filename.endswith(".bz2") else _BYTES_PER_SECOND)


def inspect_file(job: Job) -> Facts:
    """Inspect a verified file: a wheel, source in a ``.tar.gz``, a conda package. Of others only the size is known."""
    path = Path(job.path)
    size = path.stat().st_size
    if job.record is None and not job.filename.endswith((".whl", ".tar.gz")):
        return Facts(sha256=job.sha256, size=size)
    with path.open("rb") as file:
        try:
            if job.record is not None:
                return inspect_conda(file, job.filename, job.record, sha256=job.sha256, size=size)
            if job.filename.endswith(".tar.gz"):
                return inspect_sdist(file, job.filename, job.sha256, size)
            return _inspect_wheel(file, job, size)
        except ConfusingError as error:
            return Facts(sha256=job.sha256, size=size, findings=(finding("archive_confusion", str(error)),))


def _inspect_wheel(file: BinaryIO, job: Job, size: int) -> Facts:
    members = check_layout(file)
    check_bomb(members)
    names = [member.name.decode("utf-8", "surrogateescape") for member in members]
    try:
        folder = dist_info(names, job.filename)
    except CorruptError as error:
        return Facts(sha256=job.sha256, size=size, findings=(finding("metadata_mismatch", error.what),))
    keep = frozenset({f"{folder}/METADATA", f"{folder}/RECORD"})
    contents = read_contents(file, members, keep)
    metadata = contents.kept.get(f"{folder}/METADATA", b"")
    try:
        said = stated(metadata)
    except CorruptError as error:
        raise ConfusingError(error.what) from error
    noticed = [
        *findings("record_mismatch", check_record(contents, folder)),
        *findings("metadata_mismatch", _compare(said, metadata, job)),
        *findings("top_level_pth", startup_files(contents.sizes)),
        *findings("client_settings", [name for name in contents.sizes if is_client_settings(in_prefix(name))]),
    ]
    known = ("license_expression", "license_hint", "license_classifiers", "requires_python", "requires")
    return Facts(
        sha256=job.sha256,
        size=size,
        files=len(contents.sizes),
        unpacked=sum(contents.sizes.values()),
        metadata_sha256=hashlib.sha256(metadata).hexdigest() if metadata else None,
        native=contents.native,
        top_level=importable(contents.sizes),
        findings=tuple(noticed),
        **{key: said[key] for key in known},
    )


def _compare(said: dict[str, Any], metadata: bytes, job: Job) -> list[str]:
    if not metadata:
        return ["there is no METADATA"]
    wrong = []
    name, version = wheel_identity(job.filename)
    if canonicalize_name(said["name"] or "") != name:
        wrong.append(f"METADATA names {said['name']!r}, the file {name!r}")
    try:
        same = Version(said["version"] or "") == version
    except InvalidVersion:
        same = False
    if not same:
        wrong.append(f"METADATA states version {said['version']!r}, the file {version}")
    if job.core_metadata and hashlib.sha256(metadata).hexdigest() != job.core_metadata:
        wrong.append("METADATA is not the one that the index offers")
    return wrong
