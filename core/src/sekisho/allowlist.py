"""The allowlists tree: what is allowed, as reviewed files.

Pure: texts in, values out. ``pypi/<project>.yaml`` (and its sisters for channels and hubs) holds the approvals of
one project, each with its signature. An entry without a valid signature admits nothing, whoever wrote it.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints

from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Approval, Kind, Record, Slug, normalize_project
from sekisho.signing import APPROVAL_TYPE, Signature, Signer, Trust

try:
    from yaml import CSafeDumper as _Dumper
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its C library is slower, not different
    from yaml import SafeDumper as _Dumper  # type: ignore[assignment]
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
KINDS: tuple[Kind, ...] = ("pypi", "conda", "huggingface")


class Source(Record):
    """An upstream index, channel or hub.

    ``preset`` stands for a well-known source whose address comes from its client library; ``url`` names any other.
    ``file_hosts`` are the only hosts, besides the index's own, that its files may come from.
    """

    id: Slug
    kind: Kind = "pypi"
    preset: Literal["pypi"] | None = None
    url: HttpUrl | None = None
    file_hosts: Annotated[tuple[str, ...], Field(alias="file-hosts")] = ()

    model_config = Record.model_config | {"populate_by_name": True}


class Sources(Record):
    """``sources.yaml``: the upstreams in the order in which they are asked."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


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


def load_yaml(text: str, *, where: str) -> Any:  # noqa: ANN401 (YAML is any JSON-like value)
    """Parse YAML; raise ``BadInputError`` naming file and line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadInputError(f"not valid YAML: {error.problem}", where=f"{where}, line {line}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # PyYAML's constructors raise the latter
        raise BadInputError(f"not valid YAML: {error}", where=where) from error


def dump_yaml(value: object) -> str:
    """Write YAML in the order given."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return str(text)


def project_path(kind: Kind, project: str) -> str:
    """Return a project's file, relative to the tree."""
    return f"{kind}/{project}.yaml"


def _entries(text: str, where: str) -> tuple[str, list[Any]]:
    value = load_yaml(text, where=where)
    if not isinstance(value, dict) or set(value) - {"project", "approvals"} or "project" not in value:
        raise BadInputError("a project's file holds exactly `project` and `approvals`", where=where)
    approvals = value.get("approvals") or []
    if not isinstance(approvals, list):
        raise BadInputError("`approvals` is not a list", where=where)
    return str(value["project"]), approvals


def parse_project_file(text: str, *, path: str, trust: Trust) -> Allowlist:
    """Read one project's file.

    Raises ``BadInputError`` if the file cannot be read at all; an entry that is malformed, for another project, or
    not validly signed is returned in ``refused``.
    """
    kind, _, rest = path.partition("/")
    project, rows = _entries(text, path)
    if kind not in KINDS or rest != f"{project}.yaml" or normalize_project(kind, project) != project:
        raise BadInputError(f"the file's name and its project {project!r} differ", where=path)
    good: list[SignedApproval] = []
    refused: list[RefusedEntry] = []
    for number, row in enumerate(rows, 1):
        where = f"{path}, approval {number}"
        try:
            signed = _signed(row, where)
            _belongs(signed, kind, project)
            signed.verify(trust)
        except (BadInputError, CorruptError) as error:
            refused.append(RefusedEntry(where=where, why=error.what))
        else:
            good.append(signed)
    return Allowlist(approvals=tuple(good), refused=tuple(refused))


def _belongs(signed: SignedApproval, kind: str, project: str) -> None:
    for artifact in signed.approval.artifacts:
        if (artifact.kind, artifact.project) != (kind, project):
            raise CorruptError(f"it approves {artifact.purl}, which does not belong in this file")


def _signed(row: object, where: str) -> SignedApproval:
    if not isinstance(row, dict) or "signature" not in row:
        raise BadInputError("the approval has no signature", where=where)
    rest = {key: value for key, value in row.items() if key != "signature"}
    return SignedApproval(
        approval=Approval.parse(rest, where=where), signature=Signature.parse(row["signature"], where=where)
    )


def parse_tree(files: Mapping[str, str], *, trust: Trust) -> Allowlist:
    """Read every project's file of a tree given as {relative path: text}."""
    parts = [
        parse_project_file(text, path=path, trust=trust)
        for path, text in sorted(files.items())
        if path.partition("/")[0] in KINDS and path.endswith(".yaml")
    ]
    return Allowlist(
        approvals=tuple(row for part in parts for row in part.approvals),
        refused=tuple(row for part in parts for row in part.refused),
    )


def add_approvals(files: Mapping[str, str], new: Iterable[SignedApproval]) -> dict[str, str]:
    """Return the texts that change when ``new`` approvals enter the tree ``files``.

    An approval that is already there (same project and signature) is not written twice, so a decision can be replayed.
    """
    changed: dict[str, str] = {}
    for signed in new:
        first = signed.approval.artifacts[0]
        path = project_path(first.kind, first.project)
        text = changed.get(path, files.get(path, ""))
        project, rows = _entries(text, path) if text else (first.project, [])
        signature = signed.signature.plain()
        if any(isinstance(row, dict) and row.get("signature") == signature for row in rows):
            continue
        rows.append({**signed.approval.plain(), "signature": signature})
        changed[path] = dump_yaml({"project": project, "approvals": rows})
    return changed


def parse_sources(text: str, *, where: str = "sources.yaml") -> Sources:
    """Read ``sources.yaml``; ids must be unique, and each source needs a preset or a url."""
    sources = Sources.parse(load_yaml(text, where=where), where=where)
    seen: set[str] = set()
    for source in sources.sources:
        if source.id in seen:
            raise BadInputError(f"source {source.id!r} is listed twice", where=where)
        if (source.preset is None) == (source.url is None):
            raise BadInputError(f"source {source.id!r} needs either a preset or a url", where=where)
        seen.add(source.id)
    return sources
