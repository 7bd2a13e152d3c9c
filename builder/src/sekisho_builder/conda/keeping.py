"""What is approved stays wherever it can: other files only of the fewest names that cannot do with an approved one."""

from sekisho.errors import UnresolvableError
from sekisho_builder.conda.fewest import PATIENCE, Names, fewest
from sekisho_builder.conda.solver import Chosen, CondaSolver
from sekisho_builder.solver import Pin, Wish


class Keeping:
    """Solves a wish whose ``preferred`` paths are kept to; a ``Solve`` of ``sekisho_builder.preferring``."""

    def __init__(self, solver: CondaSolver, patience: float = PATIENCE) -> None:
        self._solver = solver
        self._patience = patience

    def __call__(self, wish: Wish) -> list[Pin]:
        """Return the pins; raise ``UnresolvableError`` if nothing fits even with every name free to move."""
        if not wish.preferred:
            return self._solver(wish)
        kept = frozenset(path for paths in wish.preferred.values() for path in paths)
        names = frozenset(wish.preferred)
        found: dict[Names, list[Chosen]] = {}
        reasons: list[UnresolvableError] = []

        def fits(opened: Names) -> Names | None:
            try:
                chosen = self._solver.choose(wish, free=kept, closed=names - opened)
            except UnresolvableError as error:
                reasons.append(error)
                return None
            moved = frozenset(row.name for row in chosen if row.name in names and row.path not in kept)
            found[moved] = chosen
            return moved

        best = fewest(fits, names, patience=self._patience)
        if best is None:
            raise reasons[0]
        return [Pin(row.name, row.path, ()) for row in found[best.names]]
