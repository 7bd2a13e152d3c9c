"""What conda packages lay where, worked out again from the locked files: prefix, programs and records included."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sekisho.model import Artifact
from sekisho_builder.assemble.conda_archive import CondaArchive
from sekisho_builder.assemble.conda_lay import Laid, lay
from sekisho_builder.assemble.planning import Planning
from sekisho_builder.reading.entries import Entry


class CondaTraced(NamedTuple):
    """What belongs to conda packages: entries, and the package of each path (``of``).

    ``public`` has the sha256 of what anybody can download. ``members`` are as they lie in the packages, in ``replaced``
    the prefix stands for the placeholder, ``made`` follows by rule: programs of entry points and records.
    """

    entries: frozenset[Entry] = frozenset()
    of: Mapping[str, str] = {}
    public: Mapping[str, str] = {}
    packages: int = 0
    members: int = 0
    replaced: int = 0
    made: int = 0


def trace_conda(
    planning: Planning,
    artifacts: Iterable[Artifact],
    find: Callable[[Artifact], Path],
    inside: frozenset[str],
) -> CondaTraced:
    """Unpack every package once more, as the assembly does but into nothing; raises what that raises."""
    entries: set[Entry] = set()
    of: dict[str, str] = {}
    public: dict[str, str] = {}
    counts = {"member": 0, "replaced": 0, "made": 0}
    packages = 0
    for artifact in artifacts:
        packages += 1
        with CondaArchive(planning.conda(artifact, find(artifact))) as archive:
            for laid in lay(archive, planning.environment):
                entry = _entry(laid)
                entries.add(entry)
                of.setdefault(laid.path, f"conda's {artifact.project} {artifact.release}")
                counts[laid.origin] += laid.kind != "folder"
                if laid.kind == "file" and laid.origin == "member" and artifact.source not in inside:
                    public[laid.path] = entry.sha256
    return CondaTraced(frozenset(entries), of, public, packages, counts["member"], counts["replaced"], counts["made"])


def _entry(laid: Laid) -> Entry:
    for _ in laid.content:
        pass
    return Entry(laid.path, laid.kind, laid.mode, 0, 0, size=laid.size, sha256=laid.sha256, target=laid.target)
