"""Conda packages of odd kinds, byte by byte: what no builder of packages would make."""

import bz2
import hashlib
import io
import json
import sys
import tarfile
import zipfile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEM = "thing-1.0-h1_0"
CONDA, BZ2 = f"{STEM}.conda", f"{STEM}.tar.bz2"


def member(name, data=b"", *, kind=tarfile.REGTYPE, target="", mode=0o644):
    """A member of a tar, with its bytes."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def link(name, target):
    return member(name, kind=tarfile.SYMTYPE, target=target)


def hard(name, target):
    return member(name, kind=tarfile.LNKTYPE, target=target)


def tar(members, form=tarfile.PAX_FORMAT):
    """The bytes of a tar of members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def described(members, *, index=None, paths=None, info=()):
    """Members of info/ that fit a package's other members."""
    record = {
        "name": "thing",
        "version": "1.0",
        "build": "h1_0",
        "build_number": 0,
        "depends": [],
        "subdir": "linux-64",
    }
    rows = [
        {
            "_path": one.name,
            "path_type": "softlink" if one.issym() else "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for one, data in members
        if not one.isdir()
    ]
    return [
        member("info/index.json", json.dumps(record | (index or {})).encode()),
        member("info/paths.json", json.dumps({"paths": rows if paths is None else paths, "paths_version": 1}).encode()),
        *info,
    ]


def conda(package, info, *, extra=(), packer=zstd.compress, method=zipfile.ZIP_STORED, stem=STEM):
    """The bytes of a ``.conda``, from the bytes of its two tars; ``extra`` are more members of the zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", packer(package))
        archive.writestr(f"info-{stem}.tar.zst", packer(info))
        for name, data in extra:
            archive.writestr(name, data)
    return out.getvalue()


def package(members, *, ending=".conda", form=tarfile.PAX_FORMAT, stem=STEM, **said):
    """The bytes of a package of members, well described unless ``said`` differs."""
    info = described(members, **said)
    if ending == ".conda":
        return conda(tar(members, form), tar(info, form), stem=stem)
    return bz2.compress(tar([*members, *info], form))
