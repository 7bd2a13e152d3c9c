"""The allowlists tree: what is allowed, as reviewed files.

Pure: texts in, values out. ``pypi/<project>.yaml`` (and its sisters for channels and hubs) holds the approvals of
one project, each with its signature. An entry without a valid signature admits nothing, whoever wrote it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol

import yaml
from pydantic import StringConstraints

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Approval, Artifact, Kind, Record, normalize_project
from sekisho.signing import APPROVAL_TYPE, Signature, Signer, Trust

try:
    from yaml import CSafeDumper as _SafeDumper
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its C library is slower, not different
    from yaml import SafeDumper as _SafeDumper  # type: ignore[assignment]
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
KINDS: tuple[Kind, ...] = ("pypi", "conda", "huggingface")
LARGEST_FILE = 2_000_000
"""Bytes that one file of the tree may have."""

_DEEPEST = 50
_LONGEST_NUMBER = 64
_MOST_REFUSED = 1000
_LONGEST_WHY = 500
_NAME = re.compile(r"[A-Za-z0-9._/-]{1,300}\.yaml")
_STRING = "tag:yaml.org,2002:str"
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


class _Dumper(_SafeDumper):
    """Writes what ``load_yaml`` reads: a value that occurs twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (PyYAML's hook)
        return True


class SignedApproval(Record):
    """An approval and the signature over its canonical form."""

    approval: Approval
    signature: Signature

    def verify(self, trust: Trust) -> str:
        """Return the name of the trusted key that signed this; raise ``CorruptError`` otherwise."""
        return trust.check("approval", APPROVAL_TYPE, self.approval.canonical(), self.signature)


def sign_approval(approval: Approval, signer: Signer) -> SignedApproval:
    """Put a signature under an approval."""
    return SignedApproval(approval=approval, signature=signer.sign(APPROVAL_TYPE, approval.canonical()))


class RefusedEntry(Record):
    """An entry of the tree that admits nothing, and why."""

    where: str
    why: str


class Allowlist(Record):
    """What the tree really admits, and what it tried to."""

    approvals: tuple[SignedApproval, ...] = ()
    refused: tuple[RefusedEntry, ...] = ()


def is_allowed_name(path: str) -> bool:
    """Tell whether a file of the tree may be named ``path``: one spelling, no detour, nothing to trip on."""
    return bool(_NAME.fullmatch(path)) and not {"", ".", ".."} & set(path.split("/"))


def load_yaml(text: str, *, where: str) -> Any:  # noqa: ANN401 (YAML is any JSON-like value)
    """Parse the plain part of YAML, in which nothing can mean two things; raise ``BadInputError`` naming file and line.

    Refused before anything is built: more than ``LARGEST_FILE`` bytes, deep nesting, anchors, aliases, tags, merge
    keys, keys that are no strings, and a key that stands twice.
    """
    try:
        if len(text.encode()) > LARGEST_FILE:
            raise BadInputError(f"the file is larger than {LARGEST_FILE} bytes", where=where)
        _check_events(yaml.parse(text, Loader=_Loader), where)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 0
        raise BadInputError(f"not valid YAML: {error.problem}", where=f"{where}, line {line}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # PyYAML's constructors raise the latter
        raise BadInputError(f"not valid YAML: {error}", where=where) from error


def _check_events(events: Iterable[Any], where: str) -> None:
    """Walk the parser's events, which needs no stack, and refuse what could mean two things or exhaust the reader."""
    resolver = yaml.resolver.Resolver()
    open_keys: list[set[str] | None] = []  # of each open mapping its keys so far, of a list nothing
    key_is_next: list[bool] = []
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            open_keys.pop()
            key_is_next.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        keys = open_keys[-1] if open_keys and key_is_next[-1] else None
        if wrong := _wrong(event, keys, resolver, len(open_keys)):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise BadInputError(f"not valid YAML here: {wrong}", where=f"{where}, line {line}")
        if open_keys and open_keys[-1] is not None:
            key_is_next[-1] = not key_is_next[-1]
        if isinstance(event, yaml.CollectionStartEvent):
            open_keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            key_is_next.append(True)


def _wrong(event: Any, keys: set[str] | None, resolver: Any, depth: int) -> str | None:  # noqa: ANN401 (PyYAML has no types)
    """Return what is wrong with a node; ``keys`` are those before it if it is a key itself, and then it joins them."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        return "anchors and aliases are not allowed"
    if event.tag is not None:
        return "tags are not allowed"
    scalar = isinstance(event, yaml.ScalarEvent)
    if keys is not None:
        if not scalar or _tag(resolver, event) != _STRING:
            return "a key is not a string"
        if event.value in keys:
            return f"the key {event.value[:80]!r} stands twice"
        keys.add(event.value)
    elif scalar and len(event.value) > _LONGEST_NUMBER and _tag(resolver, event) in _NUMBERS:
        return "a number is too long"
    return f"nested deeper than {_DEEPEST}" if depth >= _DEEPEST and not scalar else None


def _tag(resolver: Any, event: Any) -> str:  # noqa: ANN401 (PyYAML has no types)
    return str(resolver.resolve(yaml.ScalarNode, event.value, event.implicit))


def dump_yaml(value: object) -> str:
    """Write YAML in the order given."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return str(text)


def project_path(kind: Kind, project: str, source: str = "") -> str:
    """Return a project's file, relative to the tree; a channel's projects have a folder of their own."""
    return f"{kind}/{source}/{project}.yaml" if kind == "conda" else f"{kind}/{project}.yaml"


def path_of(artifact: Artifact) -> str:
    """Return the file that an artifact's approvals are in, relative to the tree."""
    return project_path(artifact.kind, artifact.project, artifact.source)


def entries_of(text: str, where: str) -> tuple[str, list[Any]]:
    """Return the project and the rows of a project's file; raise ``BadInputError`` if it is none."""
    value = load_yaml(text, where=where)
    if not isinstance(value, dict) or set(value) - {"project", "approvals"} or "project" not in value:
        raise BadInputError("a project's file holds exactly `project` and `approvals`", where=where)
    approvals = value.get("approvals") or []
    if not isinstance(approvals, list):
        raise BadInputError("`approvals` is not a list", where=where)
    if not isinstance(value["project"], str):
        raise BadInputError("`project` is not a string", where=where)
    return value["project"], approvals


def parse_project_file(text: str, *, path: str, trust: Trust) -> Allowlist:
    """Read one project's file.

    Raises ``BadInputError`` if the file cannot be read at all; an entry that is malformed, for another project, or
    not validly signed is returned in ``refused``.
    """
    kind, _, rest = path.partition("/")
    source, rest = rest.split("/", 1) if kind == "conda" and "/" in rest else ("", rest)
    project, rows = entries_of(text, path)
    named = kind in KINDS and rest == f"{project}.yaml" and normalize_project(kind, project) == project
    if not named or bool(source) != (kind == "conda"):
        raise BadInputError(f"the file's name and its project {project!r} differ", where=path)
    good: dict[int, SignedApproval] = {}
    wrong: dict[int, str] = {}
    numbers: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, 1):
        try:
            signed = _signed(row, path)
            _belongs(signed, path)
            signed.verify(trust)
        except (BadInputError, CorruptError) as error:
            wrong[number] = error.what[:_LONGEST_WHY]
            continue
        first = numbers.setdefault((signed.approval.id, signed.signature.sig), number)
        if first == number:
            good[number] = signed
        else:
            wrong[number] = f"it is approval {first} once more, which counts"
    lines = lines_of_rows(text) if wrong else ()
    refused = [RefusedEntry(where=f"{path}, line {lines[n - 1]}, approval {n}", why=why) for n, why in wrong.items()]
    return Allowlist(approvals=tuple(good.values()), refused=_capped(refused, path))


def lines_of_rows(text: str) -> tuple[int, ...]:
    """Return in which line of a project's file each approval begins; the file was read without complaint before."""
    root: Any = yaml.compose(text, Loader=_Loader)
    rows = next(value for key, value in root.value if key.value == "approvals")
    return tuple(row.start_mark.line + 1 for row in rows.value)


def _capped(refused: Sequence[RefusedEntry], where: str) -> tuple[RefusedEntry, ...]:
    """Keep what a person may read, and say how many more there are."""
    more = len(refused) - _MOST_REFUSED
    if more <= 0:
        return tuple(refused)
    return (*refused[:_MOST_REFUSED], RefusedEntry(where=where, why=f"and {more} more entries admit nothing"))


def _belongs(signed: SignedApproval, path: str) -> None:
    for artifact in signed.approval.artifacts:
        if path_of(artifact) != path:
            raise CorruptError(f"it approves {artifact.purl}, which does not belong in this file")


def _signed(row: object, where: str) -> SignedApproval:
    if not isinstance(row, dict) or "signature" not in row:
        raise BadInputError("the approval has no signature", where=where)
    rest = {key: value for key, value in row.items() if key != "signature"}
    return SignedApproval(
        approval=Approval.parse(rest, where=where), signature=Signature.parse(row["signature"], where=where)
    )


class ReadsProject(Protocol):
    """``parse_project_file``, or what remembers its answers."""

    def __call__(self, text: str, *, path: str, trust: Trust) -> Allowlist:
        """Read one project's file."""
        ...


def parse_tree(
    files: Mapping[str, str | None], *, trust: Trust, project: ReadsProject = parse_project_file
) -> Allowlist:
    """Read every project's file, each by ``project``, of a tree given as {relative path: text}.

    A name that no file of the tree may have, and one without a text because it is no plain file, are refused.
    """
    approvals: list[SignedApproval] = []
    refused: list[RefusedEntry] = []
    for path, text in sorted(files.items()):
        if not is_allowed_name(path):
            refused.append(RefusedEntry(where=path[:300], why="the file's name is not allowed"))
        elif text is None:
            refused.append(RefusedEntry(where=path, why="it is not a plain file"))
        elif path.partition("/")[0] in KINDS:
            part = project(text, path=path, trust=trust)
            approvals += part.approvals
            refused += part.refused
    return Allowlist(approvals=tuple(approvals), refused=_capped(refused, "the tree"))


def add_approvals(files: Mapping[str, str | None], new: Iterable[SignedApproval]) -> dict[str, str]:
    """Return the texts that change when ``new`` approvals enter the tree ``files``.

    An approval that is already there, word for word and with its signature, is not written twice, so a decision can be
    replayed. A row that only bears its id, or its signature, is another one and does not count.
    """
    changed: dict[str, str] = {}
    for signed in new:
        first = signed.approval.artifacts[0]
        path = path_of(first)
        text = changed.get(path, files.get(path))
        project, rows = entries_of(text, path) if text else (first.project, [])
        if any(_is(row, signed) for row in rows):
            continue
        rows.append({**signed.approval.plain(), "signature": signed.signature.plain()})
        changed[path] = dump_yaml({"project": project, "approvals": rows})
        if len(changed[path].encode()) > LARGEST_FILE:
            raise BadInputError("the project's file would grow too large to be read", where=path)
    return changed


def _is(row: object, signed: SignedApproval) -> bool:
    try:
        return _signed(row, "") == signed
    except BadInputError:
        return False
