"""Revocations: signed words that void what was signed before, so that putting it back into the tree admits nothing.

``revoked/<id>.yaml`` in the allowlists tree holds one. It names signed records by their digest, and so these very
ones: what is approved anew later is another record, with another digest.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from sekisho.allowlist import (
    KINDS,
    Allowlist,
    RefusedEntry,
    SignedApproval,
    dump_yaml,
    entries_of,
    is_allowed_name,
    lines_of_rows,
    load_yaml,
    path_of,
)
from sekisho.errors import BadInputError, CorruptError
from sekisho.model import Approval, Moment, Record, Sha256, Slug
from sekisho.signing import REVOCATION_TYPE, Signature, Signer, Trust

FOLDER = "revoked"
_LONGEST_WHY = 500


class Revocation(Record):
    """One person's word that an approval, or the part of it that concerns some projects, holds no more.

    ``digests`` are those of the signed records that it voids; ``names`` say to people what these are.
    """

    id: Slug
    approval: Annotated[str, Field(min_length=1, max_length=64)]
    request: str
    digests: Annotated[tuple[Sha256, ...], Field(min_length=1)]
    names: tuple[str, ...]
    revoked_by: str
    reason: Annotated[str, Field(max_length=2000)]
    at: Moment


class SignedRevocation(Record):
    """A revocation and the signature over its canonical form."""

    revocation: Revocation
    signature: Signature

    def verify(self, trust: Trust) -> str:
        """Return the name of the trusted key that signed this; raise ``CorruptError`` otherwise.

        Who may approve may take it back. A key that was revoked since counts all the same: a word that only takes away
        must not lose its force with the key.
        """
        return trust.check("approval", REVOCATION_TYPE, self.revocation.canonical(), self.signature, ended=True)


def sign_revocation(revocation: Revocation, signer: Signer) -> SignedRevocation:
    """Put a signature under a revocation."""
    return SignedRevocation(revocation=revocation, signature=signer.sign(REVOCATION_TYPE, revocation.canonical()))


def revocation_path(name: str) -> str:
    """Return the file of a revocation, relative to the tree."""
    return f"{FOLDER}/{name}.yaml"


def parse_revocations(
    files: Mapping[str, str | None], *, trust: Trust
) -> tuple[tuple[SignedRevocation, ...], tuple[RefusedEntry, ...]]:
    """Read every revocation of a tree given as {relative path: text}; what is not validly signed voids nothing.

    Unlike other files, one that cannot be read at all is refused by itself: it must not keep others from counting.
    """
    good: list[SignedRevocation] = []
    refused: list[RefusedEntry] = []
    for path, text in sorted(files.items()):
        if path.partition("/")[0] != FOLDER or text is None or not is_allowed_name(path):
            continue
        try:
            signed = _signed(load_yaml(text, where=path), path)
            signed.verify(trust)
        except (BadInputError, CorruptError) as error:
            refused.append(RefusedEntry(where=path, why=error.what[:_LONGEST_WHY]))
        else:
            good.append(signed)
    return tuple(good), tuple(refused)


def _signed(value: object, where: str) -> SignedRevocation:
    if not isinstance(value, dict) or "signature" not in value:
        raise BadInputError("the revocation has no signature", where=where)
    rest = {key: part for key, part in value.items() if key != "signature"}
    found = Revocation.parse(rest, where=where)
    if revocation_path(found.id) != where:
        raise CorruptError("it is another revocation than its file is named after")
    return SignedRevocation(revocation=found, signature=Signature.parse(value["signature"], where=where))


def void(allowlist: Allowlist, revocations: Iterable[SignedRevocation], files: Mapping[str, str | None]) -> Allowlist:
    """Return what is left when the approvals that were revoked are taken out; each is named in ``refused``.

    ``files`` is the tree of the allowlist, and says in which line each begins.
    """
    words = {digest: signed.revocation for signed in revocations for digest in signed.revocation.digests}
    if not words:
        return allowlist
    left: list[SignedApproval] = []
    refused: list[RefusedEntry] = list(allowlist.refused)
    places: dict[str, dict[str | None, str]] = {}
    for signed in allowlist.approvals:
        said = words.get(digest := signed.approval.digest())
        if said is None:
            left.append(signed)
        else:
            first = signed.approval.artifacts[0]
            why = f"approval {said.approval} was revoked by {said.revoked_by} on {said.at:%Y-%m-%d}: {said.reason}"
            path = path_of(first)
            if path not in places:
                places[path] = _places(files[path] or "", path)
            refused.append(RefusedEntry(where=places[path][digest], why=why[:_LONGEST_WHY]))
    return Allowlist(approvals=tuple(left), refused=tuple(refused))


def _places(text: str, path: str) -> dict[str | None, str]:
    """Return by digest where in a project's file each approval stands."""
    rows = zip(entries_of(text, path)[1], lines_of_rows(text), strict=True)
    return {_digest(row): f"{path}, line {line}, approval {number}" for number, (row, line) in enumerate(rows, 1)}


def revoke_in(files: Mapping[str, str | None], new: SignedRevocation) -> dict[str, str]:
    """Return the texts that change when a revocation enters the tree and the approvals that it voids leave it.

    Nothing if that was done already.
    """
    said = new.revocation
    changed = {revocation_path(said.id): dump_yaml({**said.plain(), "signature": new.signature.plain()})}
    for path, text in files.items():
        if path.partition("/")[0] in KINDS and text is not None and said.approval in text:
            project, rows = entries_of(text, path)
            kept = [row for row in rows if _digest(row) not in said.digests]
            if len(kept) < len(rows):
                changed[path] = dump_yaml({"project": project, "approvals": kept})
    return {path: text for path, text in changed.items() if files.get(path) != text}


def _digest(row: object) -> str | None:
    """Return the digest of the approval in a row of a project's file; of anything else nothing."""
    if not isinstance(row, dict):
        return None
    try:
        return Approval.parse({key: part for key, part in row.items() if key != "signature"}, where="").digest()
    except BadInputError:
        return None
