"""Gate ``traced-files``: every file above the base is an approved package's, or follows from the lock by rule."""

from collections.abc import Iterator

from sekisho_builder.gates import added
from sekisho_builder.gates.accepting import Objection, settle
from sekisho_builder.gates.made import Made
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.reading.entries import Entry


def traced_files(subject: Subject) -> Answer:
    """Compare path, kind, bytes, mode and owner both ways; the base's layers must be the base's own.

    What a Dockerfile added passes where the definition says why.
    """
    build = subject.build
    base, ours = build.base.layers, build.layout.layers
    if [row.sha256 for row in ours[: build.below]] != [row.sha256 for row in base]:
        return Answer(passed=False, evidence=("the lowest layers are not those of the base",))
    found = [Objection(f"/{path}", says, acceptable=False) for path, says in _faults(build)]
    answer = settle(subject.definition, "traced-files", [*found, *(added.objections(build) if build.above else ())])
    return Answer(passed=True, evidence=(*_seen(build), *answer.evidence)) if answer.passed else answer


def _faults(build: Made) -> Iterator[tuple[str, str]]:
    """Yield (path, what is wrong) of what was assembled."""
    seen: set[str] = set()
    for number, entry in build.contents.entries():
        if build.below <= number < build.top:
            seen.add(entry.path)
            yield from ((entry.path, says) for says in _against(build, entry))
    wanted = build.traced.files.keys() | build.traced.environment.keys() | build.traced.own.keys()
    wanted |= {entry.path for entry in build.traced.debian} | build.traced.conda.of.keys()
    yield from ((path, f"/{path} of {_of(build, path)} is missing") for path in sorted(wanted - seen))


def _seen(build: Made) -> Iterator[str]:
    made = sum(one.made for one in build.traced.files.values())
    members = len(build.traced.files) - made
    yield f"{members} files are members of the {build.traced.wheels} approved wheels, byte for byte"
    yield f"{made} files follow from them by rule: RECORD, INSTALLER, REQUESTED, programs of entry points"
    conda = build.traced.conda
    if conda.packages:
        yield f"{conda.members} files and links are members of the {conda.packages} approved conda packages"
        yield f"{conda.replaced} files have the prefix where the package has its placeholder, worked out again"
        yield f"{conda.made} files follow from them by rule: programs of entry points, records in conda-meta"
    yield f"{len(build.traced.environment)} entries are the environment itself, {len(build.traced.own)} of `files`"
    yield f"{len(build.traced.debian)} entries are of the locked Debian packages; no other was assembled above the base"
    yield f"the base is sha256:{build.base.manifest_sha256}, {build.below} layers"
    if build.above:
        copied = added.copied(build)
        yield f"a Dockerfile added {build.above.added} layers; {copied} files are of the definition's folder"


def _of(build: Made, path: str) -> str:
    found = build.traced.files.get(path)
    if found:
        return found.of
    if path in build.traced.conda.of:
        return build.traced.conda.of[path]
    if path in build.traced.own:
        return "the definition's `files`"
    return "the environment itself" if path in build.traced.environment else "the locked Debian packages"


def _modes_of_folders(build: Made, path: str) -> set[tuple[int, int, int]]:
    """Return the (mode, uid, gid) that a folder may have: in the working folder it may be the image's user's."""
    uid, _, gid = build.definition.user.partition(":")
    home = build.definition.workdir.strip("/")
    users = {(0o755, int(uid), int(gid or uid))} if home and f"{path}/".startswith(f"{home}/") else set()
    return {(0o755, 0, 0)} | users


def _against(build: Made, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with one entry."""
    if entry in build.traced.debian or entry in build.traced.conda.entries:
        return
    own = build.traced.environment.get(entry.path) or build.traced.own.get(entry.path)
    if own is not None:
        if entry != own:
            yield f"/{entry.path} is not what {_of(build, entry.path)} has there"
        return
    if entry.kind == "folder":
        if entry.path not in build.traced.folders:
            yield f"/{entry.path} is a folder that nothing approved is in"
        elif (entry.mode, entry.uid, entry.gid) not in _modes_of_folders(build, entry.path):
            yield f"/{entry.path} is a folder of mode {entry.mode:o} and owner {entry.uid}:{entry.gid}"
        return
    wanted = build.traced.files.get(entry.path)
    if wanted is None and entry.path in build.traced.conda.of:
        yield f"/{entry.path} is not what {_of(build, entry.path)} lays there"
    elif wanted is None:
        yield f"/{entry.path} is in no approved package"
    elif entry.kind != "file":
        yield f"/{entry.path} is a {entry.kind}, and a file of {wanted.of} belongs there"
    elif entry.sha256 != wanted.sha256:
        yield f"/{entry.path} is not the file that belongs there, of {wanted.of}"
    elif (entry.mode, entry.uid, entry.gid, entry.capable) != (wanted.mode, 0, 0, False):
        yield f"/{entry.path} has mode {entry.mode:o} and owner {entry.uid}:{entry.gid}, not {wanted.mode:o} and 0:0"
