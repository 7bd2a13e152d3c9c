"""Tiny Debian packages, made without dpkg."""

import hashlib
import io
import tarfile

from sekisho_builder.base.debian_lock import LockedDeb

CONTROL = "Package: {name}\nVersion: {version}\nArchitecture: amd64\nDescription: it\n sounds\n"
FILES = {
    "./usr/lib/x86_64-linux-gnu/libsound.so.1.2": b"\x7fELF sound",
    "./lib/old.so": b"old place",
    "./usr/share/doc/libsound1/copyright": b"MIT",
    "./usr/share/doc/libsound1/changelog.gz": b"left out",
    "./usr/share/man/man1/sound.1.gz": b"left out",
}


def info_of(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def tar_of(rows, form="xz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{form}") as archive:
        for info, content in rows:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def ar_of(parts):
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def make_deb(name="libsound1", version="1.2-3", *, files=None, extra=(), scripts=None, form="xz", claims=None):
    """Return the bytes of a package."""
    inside = {"./control": (claims or CONTROL.format(name=name, version=version)).encode()}
    inside |= {f"./{script}": text.encode() for script, text in (scripts or {}).items()}
    rows = [(info_of(path, mode=0o644), data) for path, data in (FILES if files is None else files).items()]
    control = tar_of([(info_of(path), data) for path, data in inside.items()], form)
    return ar_of(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar.{form}", control),
            (f"data.tar.{form}", tar_of([*rows, *extra], form)),
        ]
    )


def locked(data, name="libsound1", version="1.2-3"):
    path = f"pool/main/libs/{name}_{version}_amd64.deb"
    return LockedDeb(name, version, "amd64", len(data), hashlib.sha256(data).hexdigest(), path)
