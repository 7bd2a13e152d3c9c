"""Gate ``installed-set``: what is installed is what was locked, no more and no less."""

from collections.abc import Iterator

from packaging.utils import canonicalize_name, canonicalize_version

from sekisho.model import PackageName
from sekisho_builder.gates.subject import Answer, Installed, Subject, probe


def installed_set(subject: Subject) -> Answer:
    """Compare names and versions both ways: of wheels normalised, of conda packages with their builds, as they are.

    What a conda package brought as a Python project counts as its own.
    """
    answer = probe(subject, "installed", Installed, subject.site, subject.records)
    rows = answer.installed
    found = {str(canonicalize_name(name)): canonicalize_version(version) for name, version, _ in rows}
    wanted = {a.project: canonicalize_version(a.release) for a in subject.lock.of("pypi")}
    faults = [f"{name} {wanted[name]} is locked and not installed" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} {found[name]} is installed and not locked" for name in sorted(found.keys() - wanted.keys())]
    faults += [
        f"{name} is {found[name]}, locked as {wanted[name]}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name] != wanted[name]
    ]
    if len(rows) != len(found):
        faults.append(f"{len(rows) - len(found)} packages are installed twice")
    faults += _of_conda(subject, answer)
    seen = [f"{len(found)} packages, all as locked"]
    if subject.definition.conda:
        seen += [
            f"{len(answer.conda)} conda packages, all as locked, with {len(answer.brought)} Python projects in them"
        ]
    return Answer(not faults, tuple(faults[:20]) or tuple(seen))


def _of_conda(subject: Subject, answer: Installed) -> Iterator[str]:
    parts = [PackageName.parse(artifact.filename) for artifact in subject.lock.of("conda")]
    wanted = {(part.name, part.version, part.build) for part in parts}
    found = set(answer.conda)
    yield from (f"conda's {' '.join(row)} is locked and not installed" for row in sorted(wanted - found))
    yield from (f"conda's {' '.join(row)} is installed and not locked" for row in sorted(found - wanted))
    wheels = {artifact.project for artifact in subject.lock.of("pypi")}
    for name, package in sorted(answer.brought.items()):
        if canonicalize_name(name) in wheels:
            yield f"{name} is installed twice: as a wheel, and by conda's {package}"
