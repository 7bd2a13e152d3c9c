"""Gate ``installed-set``: what is installed is what was locked, no more and no less."""

from packaging.utils import canonicalize_name, canonicalize_version

from sekisho_builder.gates.subject import Answer, Installed, Subject, probe


def installed_set(subject: Subject) -> Answer:
    """Compare names and versions, normalised, both ways."""
    rows = probe(subject, "installed", Installed, subject.site).installed
    found = {str(canonicalize_name(name)): canonicalize_version(version) for name, version, _ in rows}
    wanted = {a.project: canonicalize_version(a.release) for a in subject.lock.artifacts}
    faults = [f"{name} {wanted[name]} is locked and not installed" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} {found[name]} is installed and not locked" for name in sorted(found.keys() - wanted.keys())]
    faults += [
        f"{name} is {found[name]}, locked as {wanted[name]}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name] != wanted[name]
    ]
    if len(rows) != len(found):
        faults.append(f"{len(rows) - len(found)} packages are installed twice")
    return Answer(not faults, tuple(faults[:20]) or (f"{len(found)} packages, all as locked",))
