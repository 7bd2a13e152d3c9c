"""Gate ``imports``: every top-level module imports, apart from those that the definition excuses with a reason.

Which modules a distribution has is read from its RECORD in the image, and which a conda package has besides from the
environment's records; the rule is ``probes.imports.modules``.
"""

from packaging.utils import canonicalize_name

from sekisho.model import Record
from sekisho_builder.gates.probes.imports import CONDA
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.gates.watching import Bounds, watched_probe


class _Imported(Record):
    """Every distribution that was looked at, and (distribution, error or "" or null if left out) of each module."""

    distributions: tuple[str, ...]
    modules: dict[str, tuple[str, str | None]]


_EACH = 60
_ALL = 1800


def imports(subject: Subject) -> Answer:
    """Import them all, of every locked distribution and conda package.

    A module that was excused and imports after all, or is not there, is reported, not failed.
    """
    told = (subject.site, str(_EACH), subject.records)
    answer = watched_probe(subject, "imports", _Imported, *told, bounds=Bounds(_ALL))
    answers = answer.modules
    results = {module: (owner, error) for module, (owner, error) in answers.items() if error is not None}
    left_out = sorted(answers.keys() - results.keys())
    excused = {entry.module: entry.reason for entry in subject.definition.may_not_import}
    broken = {module: (owner, error) for module, (owner, error) in results.items() if error}
    answered: set[str] = {canonicalize_name(name) for name in answer.distributions}
    faults = [
        f"{module} ({owner}): {error.splitlines()[0] if error.splitlines() else error}"
        for module, (owner, error) in sorted(broken.items())
        if module not in excused
    ]
    answered |= {name for name in answer.distributions if name.startswith(CONDA)}
    faults += [f"nothing was heard of {a.node}" for a in subject.lock.artifacts if a.node not in answered]
    notes = [f"{module} does not import, as expected: {excused[module]}" for module in sorted(broken.keys() & excused)]
    notes += [
        f"{module} {'imports after all' if module in results else 'is not in the image'}: drop it from may-not-import"
        for module in sorted(excused.keys() - broken.keys())
    ]
    if left_out:
        notes.append(f"left out, since they are packages' own tests: {', '.join(left_out)}")
    summary = f"{len(results) - len(broken)} of {len(results)} modules import"
    return Answer(not faults, (summary, *faults[:20], *notes))
