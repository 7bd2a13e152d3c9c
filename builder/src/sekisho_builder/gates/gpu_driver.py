"""Gate ``gpu-driver``: the driver of the machines is new enough for the CUDA libraries in the image."""

import re
from collections.abc import Iterator

from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject

FLOORS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""CUDA's major release → the oldest driver on Linux with which any minor release of it runs.

Source: NVIDIA, CUDA Toolkit Release Notes, table "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor
Version Compatibility"; and CUDA Compatibility, "Minor Version Compatibility", table 1. A program that needs what only a
newer driver has may need more.
"""

_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?")
_BUILT_FOR = re.compile(r"(?:^|[-_])cu(?:da)?(\d{2})x?(?:$|[-_])")
_LOCAL = re.compile(r"\+cu(\d{2})\d?(?![\d.])")
_LIBRARY = re.compile(r"(?:.*/)?libcudart(?:-[0-9a-f]{8})?\.so\.(\d{2})(?:\.\d+)*")
_DRIVER = re.compile(r"(?:.*/)?libcuda\.so(?:\.[\d.]+)?")
_NO_DRIVER = re.compile(r"(?:^|/)(?:stubs|compat|lib-compat)/")


def gpu_driver(subject: Subject) -> Answer:
    """Find CUDA's major releases by wheels and by ``libcudart``, and compare their floor with ``driver``.

    Where the definition does not state the fleet's driver, the floor is said and nothing fails. A driver in the image
    would stand in the way of the machine's own.
    """
    build = subject.build
    needs: dict[int, list[str]] = {}
    for major, by in (*_by_wheels(build), *_by_libraries(build)):
        needs.setdefault(major, []).append(by)
    drivers = [
        f"/{path} is a driver's library, which comes from the machine"
        for path, (_, entry) in sorted(build.contents.seen.items())
        if entry.kind == "file" and _DRIVER.fullmatch(path) and not _NO_DRIVER.search(path)
    ]
    if not needs:
        return Answer(not drivers, tuple(drivers) or ("no CUDA library is in the image",))
    unknown = [
        f"unknown: which driver CUDA {major} needs ({needs[major][0]})" for major in needs if major not in FLOORS
    ]
    seen = [f"CUDA {major}: {', '.join(found[:3])}" for major, found in sorted(needs.items())]
    if unknown:
        return Answer(passed=False, evidence=(*unknown, *drivers, *seen))
    floor = FLOORS[max(needs)]
    stated = subject.definition.driver
    if stated is None:
        said = f"it needs driver {floor} or newer; `driver` in image.yaml does not state the fleet's"
        return Answer(not drivers, (*drivers, said, *seen))
    old = _numbers(stated) < _numbers(floor)
    said = f"it needs driver {floor} or newer, and the fleet's is {stated}"
    return Answer(not old and not drivers, (*drivers, said, *seen))


def _by_wheels(build: Made) -> Iterator[tuple[int, str]]:
    for artifact in build.lock.artifacts:
        if _RUNTIME.fullmatch(artifact.project):
            yield int(artifact.release.partition(".")[0]), artifact.name
        elif found := _BUILT_FOR.search(artifact.project) or _LOCAL.search(artifact.release):
            yield int(found[1]), artifact.name


def _by_libraries(build: Made) -> Iterator[tuple[int, str]]:
    for path, (_, entry) in sorted(build.contents.seen.items()):
        found = _LIBRARY.fullmatch(path)
        if found is not None and entry.kind == "file":
            yield int(found[1]), f"/{path}"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
