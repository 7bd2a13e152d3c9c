"""Small source distributions with a build backend of our own, and ways to spoil them."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from importlib.metadata import distribution

from tests.wheels import Wheel, make_wheel, metadata_text, pack, record_of

BACKEND = b'''
"""The smallest backend that makes a wheel (PEP 517): the modules of the folder, and PKG-INFO as METADATA."""
import base64, hashlib, os, pathlib, time, zipfile

def build_wheel(out, config_settings=None, metadata_directory=None):
    info = pathlib.Path("PKG-INFO").read_bytes()
    said = dict(line.split(": ", 1) for line in info.decode().splitlines() if ": " in line)
    name, version = said["Name"].replace("-", "_"), said["Version"]
    folder = f"{name}-{version}.dist-info"
    files = {path.as_posix(): path.read_bytes() for path in sorted(pathlib.Path(name).rglob("*.py"))}
    extra = pathlib.Path("wheel-needs").read_bytes() if pathlib.Path("wheel-needs").exists() else b""
    files[f"{folder}/METADATA"] = info.rstrip() + b"\\n" + extra
    files[f"{folder}/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    if pathlib.Path("differs").exists():
        files[f"{name}/when.py"] = f"WHEN = {time.time_ns()}\\n".encode()
    rows = [f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
            for path, data in files.items()]
    files[f"{folder}/RECORD"] = "".join(f"{row}\\n" for row in [*rows, f"{folder}/RECORD,,"]).encode()
    when = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(out, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, when), data, zipfile.ZIP_DEFLATED)
    return wheel
'''

PYPROJECT = b'[build-system]\nrequires = ["tiny-backend>=1"]\nbuild-backend = "tiny_backend"\n'


def backend_wheel(release: str = "1.0") -> Wheel:
    """Return the wheel of ``tiny-backend``, which sources here are built with."""
    return make_wheel("tiny-backend", release, files={"tiny_backend/__init__.py": BACKEND})


C_FILES = {
    "pyproject.toml": b'[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
    b'[project]\nname = "native"\nversion = "1.0"\nlicense = "MIT"\n',
    "setup.py": b"""from setuptools import Extension, setup
setup(packages=["native"], ext_modules=[Extension("native.sum", ["native/sum.c"])])
""",
    "native/__init__.py": b"from native.sum import add\n",
    "native/sum.c": b"""#define PY_SSIZE_T_CLEAN
#include <Python.h>
static PyObject *add(PyObject *self, PyObject *args) {
    long a, b;
    if (!PyArg_ParseTuple(args, "ll", &a, &b)) return NULL;
    return PyLong_FromLong(a + b);
}
static PyMethodDef methods[] = {{"add", add, METH_VARARGS, "Add two numbers."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sum", NULL, -1, methods};
PyMODINIT_FUNC PyInit_sum(void) { return PyModule_Create(&module); }
""",
}
"""The files of a project ``native`` whose module is written in C, as setuptools builds it."""


FRAMED_FILES = {
    "pyproject.toml": b'[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
    b'[project]\nname = "framed"\nversion = "1.0"\nlicense = "MIT"\n',
    "setup.py": b"""import os
from setuptools import Extension, setup
try:
    import frame
except ImportError:
    found = []  # as horovod does: no native module for what is not there
else:
    frames = os.environ.get("FRAMED_FRAMES", "0")
    macros = [("FRAME", frame.RELEASE), ("FRAMES", frames)]
    found = [Extension("framed.built", ["framed/built.c"], define_macros=macros)]
setup(packages=["framed"], ext_modules=found)
""",
    "framed/__init__.py": b"",
    "framed/built.c": b"""#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "built", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_built(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && (PyModule_AddIntConstant(made, "FRAME", FRAME) || PyModule_AddIntConstant(made, "FRAMES", FRAMES)))
        return NULL;
    return made;
}
""",
}
"""The files of a project ``framed``, whose module in C is only compiled where ``frame`` is importable meanwhile."""


def installed_wheel(project: str) -> Wheel:
    """Return the wheel of a project of pure Python that these tests run beside."""
    found = distribution(project)
    folder = f"{project}-{found.version}.dist-info"
    left = {f"{folder}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
    names = sorted(str(path) for path in found.files or () if path.suffix != ".pyc")
    files = {name: found.locate_file(name).read_bytes() for name in names if name not in left}
    files[f"{folder}/RECORD"] = record_of(files, folder)
    name = f"{project}-{found.version}-py3-none-any.whl"
    return Wheel(project, found.version, name, pack(files), files[f"{folder}/METADATA"])


def source_members(
    project: str,
    release: str = "1.0",
    *,
    requires: tuple[str, ...] = (),
    files: Mapping[str, bytes] | None = None,
    extra: str = "License-Expression: MIT\n",
) -> dict[str, bytes]:
    """Return the files of a sound source distribution; ``files`` are more, or others in their place."""
    name, top = project.replace("-", "_"), f"{project.replace('-', '_')}-{release}"
    found = {
        "PKG-INFO": metadata_text(project, release, requires=requires, extra=extra),
        "pyproject.toml": PYPROJECT,
        f"{name}/__init__.py": f"WORD = {project!r}\n".encode(),
        **(files or {}),
    }
    return {f"{top}/{path}": data for path, data in found.items()}


def pack_source(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a ``.tar.gz`` of files, and of members that are no files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, data in members.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(path)
            if isinstance(data, bytes):
                info.size, info.mtime = len(data), 1_600_000_000
                archive.addfile(info, io.BytesIO(data))
            else:
                archive.addfile(info)
    return gzip.compress(plain.getvalue(), mtime=0)


def make_source(project: str, release: str = "1.0", **options) -> Wheel:
    """Return a source distribution in the shape in which fake indexes list files; ``options`` as ``source_members``."""
    members = source_members(project, release, **options)
    name = f"{project.replace('-', '_')}-{release}"
    return Wheel(project, release, f"{name}.tar.gz", pack_source(members), members[f"{name}/PKG-INFO"])
