"""Gate ``target``: the image's Python and C library are the ones that its packages were resolved for."""

from sekisho_builder.gates.subject import Answer, Installed, Subject, probe


def target(subject: Subject) -> Answer:
    """Compare full versions; and look for the POSIX shell that a job is started with."""
    found = probe(subject, "installed", Installed, subject.site, subject.records)
    wanted = subject.definition.target
    faults = []
    if found.python != wanted.python:
        faults.append(f"Python is {found.python}, not {wanted.python}")
    if found.libc != wanted.glibc:
        faults.append(f"glibc is {found.libc}, not {wanted.glibc}")
    if not found.shell:
        faults.append("there is no /bin/sh")
    return Answer(not faults, tuple(faults) or (f"Python {found.python}, glibc {found.libc}",))
