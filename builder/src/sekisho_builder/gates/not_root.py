"""Gate ``not-root``: jobs run as a user who owns a home and nothing of the system."""

from sekisho.model import Record
from sekisho_builder.gates.subject import Answer, Subject, probe


class _Identity(Record):
    uid: int
    home: str
    home_writable: bool
    workdir: str
    workdir_writable: bool
    prefix_writable: bool


def not_root(subject: Subject) -> Answer:
    """Look at the process that the image starts by default."""
    found = probe(subject, "identity", _Identity, subject.definition.prefix)
    faults = []
    if found.uid == 0:
        faults.append("the image runs as root")
    if not found.home_writable:
        faults.append(f"the home {found.home or '(none)'} cannot be written")
    if not found.workdir_writable:
        faults.append(f"the working folder {found.workdir} cannot be written")
    if found.prefix_writable:
        faults.append(f"{subject.definition.prefix} can be written, so a job could change the packages")
    return Answer(not faults, tuple(faults) or (f"uid {found.uid}, home {found.home}",))
