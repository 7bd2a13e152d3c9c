"""What to have instead of the conda packages of a closure, and whether anything needs fewer approvals than they do."""

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from sekisho.model import Alternative, Change, Closure, Outcome, node_of, spec_name
from sekisho.model.conda import PackageName
from sekisho.model.match_spec import MatchSpec
from sekisho_builder.conda.approvals import Approvals, Said

_NAMED = 12


class Present(NamedTuple):
    """The conda packages of a closure, with what came of each by path.

    ``held`` are the names of which another file would need an approval, too, as for a licence.
    """

    closure: Closure
    said: Said
    held: frozenset[str] = frozenset()

    @property
    def needed(self) -> list[str]:
        """Return the paths that need an approval."""
        return [path for path, outcome in self.said.items() if outcome is Outcome.REVIEW]

    @property
    def denied(self) -> list[str]:
        """Return the paths that no approval admits."""
        return [path for path, outcome in self.said.items() if outcome is Outcome.DENY]

    @property
    def cost(self) -> tuple[int, int]:
        """Return how many files are denied, and how many need an approval: less is better."""
        return len(self.denied), len(self.needed)


def present(closure: Closure, outcomes: Mapping[str, Outcome], avoidable: Container[str]) -> Present:
    """Return the conda packages of a closure; ``outcomes`` and ``avoidable`` are by sha256."""
    files = closure.of("conda")
    rows = {row.path: outcomes.get(row.sha256, Outcome.DENY) for row in files}
    held = (row.project for row in files if rows[row.path] is Outcome.REVIEW and row.sha256 not in avoidable)
    return Present(closure, rows, frozenset(held))


def is_fewest(now: Present, found: Approvals | None) -> bool:
    """Tell whether it is proved that no answer to the same specs is denied less, or needs fewer approvals."""
    return found is not None and found.proved and found.cost >= now.cost


def instead(now: Present, found: Approvals | None, conda: Iterable[str]) -> Alternative | None:
    """Return an answer to ``conda`` as an alternative; nothing if it is not better than the closure."""
    if found is None or found.cost >= now.cost:
        return None
    before = {row.node: _named(row.path) for row in now.closure.of("conda")}
    after = {f"conda:{row.name}": _named(row.path) for row in found.chosen}
    return Alternative(
        closure=now.closure.digest(),
        requirements=now.closure.direct,
        conda=tuple(_pinned(spec, after) for spec in conda),
        changes=tuple(
            Change(project=node, before=_short(before, after, node), after=_short(after, before, node))
            for node in sorted({*before, *after})
            if before.get(node) != after.get(node)
        ),
        review=_names(found.needed),
        deny=_names(found.denied),
        fewest=found.proved,
    )


def _names(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(f"{node_of('conda', row.name)} {row.version}" for row in map(_named, paths)))


def leading_to(closure: Closure, paths: Iterable[str]) -> frozenset[str]:
    """Return the names of match specs without which none of the files at ``paths`` would be in the closure."""
    wanted = frozenset(paths)
    found, left = set[str](), [row.node for row in closure.of("conda") if row.path in wanted]
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left += [edge.project for edge in closure.edges if edge.needs == node]
    return frozenset(name for spec in closure.conda if f"conda:{(name := spec_name(spec))}" in found)


def relaxed(conda: Iterable[str], names: frozenset[str]) -> tuple[str, ...]:
    """Return match specs, those of ``names`` for any version."""
    return tuple(_bare(spec) if spec_name(spec) in names else spec for spec in conda)


def otherwise(found: Approvals, conda: Iterable[str]) -> str:
    """Say what to ask for in place of specs that nothing fits, and what would have to be approved for it."""
    after = {f"conda:{row.name}": _named(row.path) for row in found.chosen}
    changed = [(spec, new) for spec in conda if (new := _pinned(spec, after)) != spec]
    asked = ", ".join(f"{new!r} in place of {spec!r}" for spec, new in changed)
    needed = _names(found.needed)
    left = f", which passes once somebody approves {', '.join(needed[:_NAMED])}" if needed else ""
    more = f" and {len(needed) - _NAMED} more" if len(needed) > _NAMED else ""
    return f"ask for {asked}{left}{more}"


def _bare(spec: str) -> str:
    found = MatchSpec.parse(spec)
    return f"{found.channel}::{found.name}" if found.channel else found.name


def _pinned(spec: str, chosen: Mapping[str, PackageName]) -> str:
    """Return a spec as it is if what was chosen fits it, or else one for the version that was chosen."""
    found = MatchSpec.parse(spec)
    package = chosen.get(f"conda:{found.name}")
    if package is None or found.version is None or found.version.contains(package.version):
        return spec
    return f"{_bare(spec)}=={package.version}"


def _named(path: str) -> PackageName:
    return PackageName.parse(path.rpartition("/")[2])


def _short(rows: Mapping[str, PackageName], others: Mapping[str, PackageName], node: str) -> str | None:
    """Return a package's version, with its build where the other one has the same version."""
    own, other = rows.get(node), others.get(node)
    if own is None:
        return None
    return f"{own.version} {own.build}" if other is not None and other.version == own.version else own.version
