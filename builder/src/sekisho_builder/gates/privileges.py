"""Gate ``privileges``: no file of any layer gives rights to whoever runs or writes it."""

from collections.abc import Iterator

from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.reading.entries import Entry

_STICKY = 0o1000
_SET_ID = 0o6000
_ANYBODY_WRITES = 0o002


def privileges(subject: Subject) -> Answer:
    """Look at every entry of every layer, also at what an upper layer hides.

    A folder that anybody may write must be sticky, as /tmp is. A folder's setgid bit only passes its group on, and a
    link has no mode of its own. What the base brings can be accepted, what is ours cannot.
    """
    build, looked = subject.build, 0
    objections = []
    for number, entry in build.contents.entries():
        looked += 1
        for says in _against(entry):
            what = f"/{entry.path}"
            objections.append(Objection(what, f"{what} {says}", acceptable=number < build.below))
    return settle(subject.definition, "privileges", objections, f"{looked} entries of all layers looked at")


def _against(entry: Entry) -> Iterator[str]:
    if entry.kind == "device":
        yield "is a device"
    if entry.kind == "file" and entry.mode & _SET_ID:
        yield f"runs with the rights of its owner or group (mode {entry.mode:o})"
    if entry.capable:
        yield "runs with capabilities"
    shared = entry.kind == "folder" and entry.mode & _STICKY
    if entry.kind not in {"link", "hard link"} and entry.mode & _ANYBODY_WRITES and not shared:
        yield f"can be written by anybody (mode {entry.mode:o})"
