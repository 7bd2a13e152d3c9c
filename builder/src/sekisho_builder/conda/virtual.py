"""What a target has that no channel does: virtual packages (CEP 30)."""

from collections.abc import Iterator

from sekisho.model import ImageDefinition, Target
from sekisho_builder.gates.gpu_driver import FLOORS

Virtual = tuple[str, str, str]
"""Name, version and build."""


def virtual_packages(target: Target, definition: ImageDefinition | None = None) -> Iterator[Virtual]:
    """Yield what is there on ``target``; CUDA where an image's definition states the driver of the machines."""
    yield from target.virtual
    if definition is not None and definition.driver and (major := _cuda(definition.driver)):
        yield "__cuda", f"{major}.0", "0"


def _cuda(driver: str) -> int | None:
    """Return the newest major release of CUDA that runs with a driver."""
    stated = _numbers(driver)
    return max((major for major, floor in FLOORS.items() if stated >= _numbers(floor)), default=None)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
