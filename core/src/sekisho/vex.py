"""VEX: signed statements that a weakness does not matter where a release is used (OpenVEX's ``not_affected``).

``vex/<advisory>.yaml`` in the allowlists tree holds those on one advisory. As with approvals, one without a valid
signature excuses nothing, whoever wrote it.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from sekisho.allowlist import RefusedEntry, dump_yaml, is_allowed_name, load_yaml
from sekisho.errors import BadInputError, CorruptError
from sekisho.model import EVERYONE, Kind, Moment, NormalName, Record, Slug, purl
from sekisho.signing import VEX_TYPE, Signature, Signer, Trust

FOLDER = "vex"
Justification = Literal[
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
]
"""OpenVEX's own words (OpenVEX 0.2.0, "Status Justifications")."""

Subject = tuple[str, str, str]
"""Kind of source, project, and release."""

_LONGEST_WHY = 500


class VexStatement(Record):
    """One person's word that ``advisory``, by any of its names, does not matter for these releases in these scopes."""

    id: Slug
    advisory: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,119}$")]
    kind: Kind = "pypi"
    project: NormalName
    releases: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
    status: Literal["not_affected"] = "not_affected"
    justification: Justification
    impact: Annotated[str, Field(max_length=2000)] = ""
    scope: Annotated[tuple[Slug, ...], Field(min_length=1)] = (EVERYONE,)
    requested_by: str
    approved_by: str
    at: Moment
    expires: Moment | None = None

    def holds(self, workspace: str, now: datetime) -> bool:
        """Tell whether the statement counts in ``workspace`` at ``now``."""
        return workspace in self.scope and (self.expires is None or now < self.expires)


class SignedVex(Record):
    """A statement and the signature over its canonical form."""

    statement: VexStatement
    signature: Signature

    def verify(self, trust: Trust) -> str:
        """Return the name of the trusted key that signed this; raise ``CorruptError`` otherwise.

        Who may approve may say this: it lifts no more than an approval does.
        """
        return trust.check("approval", VEX_TYPE, self.statement.canonical(), self.signature)


def sign_vex(statement: VexStatement, signer: Signer) -> SignedVex:
    """Put a signature under a statement."""
    return SignedVex(statement=statement, signature=signer.sign(VEX_TYPE, statement.canonical()))


class Excuses:
    """Statements, found by the release and the names of an advisory.

    They count once as many different ``approvers`` have said the same: of one advisory, with one justification.
    """

    def __init__(self, statements: Iterable[VexStatement] = (), *, approvers: int = 1) -> None:
        self._statements = tuple(statements)
        self._approvers = approvers
        self._found: dict[Subject, list[VexStatement]] = {}
        for statement in self._statements:
            for release in statement.releases:
                self._found.setdefault((statement.kind, statement.project, release), []).append(statement)

    def of_others(self, name: str) -> "Excuses":
        """Return what others than ``name`` said: nobody excuses what they asked for themselves."""
        own = name.casefold()
        left = [one for one in self._statements if own not in {one.approved_by.casefold(), one.requested_by.casefold()}]
        return self if len(left) == len(self._statements) else Excuses(left, approvers=self._approvers)

    def by(self, approvers: int) -> "Excuses":
        """Return the same statements where as many different people have to say the same."""
        return self if approvers == self._approvers else Excuses(self._statements, approvers=approvers)

    def find(self, names: Container[str], subject: Subject, workspace: str, now: datetime) -> tuple[VexStatement, ...]:
        """Return the statements that together excuse ``subject`` from an advisory of these names, if there are any."""
        for said in self.said(names, subject, workspace, now).values():
            if len(said) >= self._approvers:
                return tuple(said.values())[: self._approvers]
        return ()

    def said(
        self, names: Container[str], subject: Subject, workspace: str, now: datetime
    ) -> dict[Justification, dict[str, VexStatement]]:
        """Return by justification and person what is said of ``subject`` and an advisory of these names."""
        found: dict[Justification, dict[str, VexStatement]] = {}
        for statement in self._found.get(subject, ()):
            if statement.advisory in names and statement.holds(workspace, now):
                found.setdefault(statement.justification, {}).setdefault(statement.approved_by.casefold(), statement)
        return found


def vex_path(advisory: str) -> str:
    """Return the file of the statements on an advisory, relative to the tree."""
    return f"{FOLDER}/{advisory}.yaml"


def parse_vex(
    files: Mapping[str, str | None], *, trust: Trust
) -> tuple[tuple[SignedVex, ...], tuple[RefusedEntry, ...]]:
    """Read every statement of a tree given as {relative path: text}.

    What is malformed, in the wrong file, or not validly signed is refused and excuses nothing. Raises
    ``BadInputError`` if a file cannot be read at all.
    """
    good: list[SignedVex] = []
    refused: list[RefusedEntry] = []
    for path, text in sorted(files.items()):
        if path.partition("/")[0] != FOLDER or text is None or not is_allowed_name(path):
            continue
        for number, row in enumerate(_rows(text, path), 1):
            where = f"{path}, statement {number}"
            try:
                signed = _signed(row, where)
                _belongs(signed, path)
                signed.verify(trust)
            except (BadInputError, CorruptError) as error:
                refused.append(RefusedEntry(where=where, why=error.what[:_LONGEST_WHY]))
            else:
                good.append(signed)
    return tuple(good), tuple(refused)


def add_vex(files: Mapping[str, str | None], new: SignedVex) -> dict[str, str]:
    """Return the text that changes when a statement enters the tree; nothing if it is there already."""
    path = vex_path(new.statement.advisory)
    text = files.get(path)
    rows = _rows(text, path) if text else []
    row = {**new.statement.plain(), "signature": new.signature.plain()}
    return {} if row in rows else {path: dump_yaml({"statements": [*rows, row]})}


def openvex(statements: Iterable[VexStatement], *, id: str, author: str, now: datetime) -> dict[str, Any]:  # noqa: A002
    """Return statements as an OpenVEX 0.2.0 document, for other people's scanners. ``id`` is its IRI."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": id,
        "author": author,
        "timestamp": now.isoformat(),
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": one.advisory},
                "products": [{"@id": purl(one.kind, one.project, release)} for release in one.releases],
                "status": one.status,
                "justification": one.justification,
                **({"impact_statement": one.impact} if one.impact else {}),
                "timestamp": one.at.isoformat(),
            }
            for one in statements
        ],
    }


def _rows(text: str, where: str) -> list[Any]:
    value = load_yaml(text, where=where)
    rows = value.get("statements") if isinstance(value, dict) and set(value) == {"statements"} else None
    if not isinstance(rows, list):
        raise BadInputError("a file of VEX holds exactly `statements`, a list", where=where)
    return rows


def _belongs(signed: SignedVex, path: str) -> None:
    if vex_path(signed.statement.advisory) != path:
        raise CorruptError("it is on another advisory than its file")


def _signed(row: object, where: str) -> SignedVex:
    if not isinstance(row, dict) or "signature" not in row:
        raise BadInputError("the statement has no signature", where=where)
    rest = {key: value for key, value in row.items() if key != "signature"}
    return SignedVex(
        statement=VexStatement.parse(rest, where=where), signature=Signature.parse(row["signature"], where=where)
    )
