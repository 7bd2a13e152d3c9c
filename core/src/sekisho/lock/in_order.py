"""The conda packages of a lock in the order in which they are installed."""

from graphlib import CycleError, TopologicalSorter

from sekisho.lock.value import Lock
from sekisho.model import Artifact, conda_record, spec_name


def in_order(lock: Lock) -> list[Artifact]:
    """Return the conda packages of a lock, what others need first, and by name where nothing else decides.

    Packages that need each other come by name.
    """
    packages = {package.project: package for package in lock.of("conda")}
    below = {
        name: {spec_name(spec) for spec in conda_record(package)["depends"]} & (packages.keys() - {name})
        for name, package in packages.items()
    }
    names: list[str] = []
    try:
        sorter = TopologicalSorter(below)
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            names += ready
            sorter.done(*ready)
    except CycleError:
        names = sorted(packages)
    return [packages[name] for name in names]
