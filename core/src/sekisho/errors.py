"""One error base, few leaves.

Every leaf says what went wrong, where, and what to do now; ``code`` is for machines, the three
sentences are for people. Foreign exceptions are wrapped at the port that meets them.
"""

from typing import ClassVar


class SekishoError(Exception):
    """Something that a user or an operator must hear about.

    ``what`` is one sentence, ``where`` names the file, line, route or record, ``todo`` is the next step.
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def diagnostics(self) -> dict[str, str]:
        """Return the error as RFC 9457 problem members plus ours (``where``, ``todo``)."""
        return {"code": self.code, "title": self.what, "where": self.where, "todo": self.todo}

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.todo:
            lines.append(f"  do now: {self.todo}")
        return "\n".join(lines)


class BadInputError(SekishoError):
    """Input that cannot be understood or does not hold together."""

    code = "bad-input"
    http_status = 400


class UnauthenticatedError(SekishoError):
    """No token, or one that is unknown or has expired."""

    code = "unauthenticated"
    http_status = 401


class RefusedError(SekishoError):
    """Policy or a role says no."""

    code = "refused"
    http_status = 403


class NotFoundError(SekishoError):
    """The named record does not exist here."""

    code = "not-found"
    http_status = 404


class ConflictError(SekishoError):
    """The action does not fit the record's present state."""

    code = "conflict"
    http_status = 409


class TooLargeError(SekishoError):
    """More was sent than the route takes."""

    code = "too-large"
    http_status = 413


class UnresolvableError(SekishoError):
    """No closure satisfies the request; ``what`` carries the resolver's own chain."""

    code = "unresolvable"
    http_status = 422


class CorruptError(SekishoError):
    """Bytes, a signature or a chain of records that are not what they claim to be."""

    code = "corrupt"
    http_status = 502


class ConfusingError(CorruptError):
    """An archive that contradicts itself, or does what no package does."""


class UpstreamError(SekishoError):
    """A source, registry or service outside this process failed or does not answer."""

    code = "upstream"
    http_status = 502


class MissingToolError(SekishoError):
    """A tool or daemon that the step needs is absent or stopped."""

    code = "missing-tool"
    http_status = 503


class StorageFullError(SekishoError):
    """The disk cannot take the bytes; nothing half-written stays."""

    code = "storage-full"
    http_status = 507


LEAVES: tuple[type[SekishoError], ...] = (
    BadInputError,
    UnauthenticatedError,
    RefusedError,
    NotFoundError,
    ConflictError,
    TooLargeError,
    UnresolvableError,
    CorruptError,
    UpstreamError,
    MissingToolError,
    StorageFullError,
)


def from_diagnostics(problem: dict[str, str], *, fallback: str = "the service refused") -> SekishoError:
    """Rebuild the leaf that a service reported, so that a client exits as the service meant."""
    leaf = next((leaf for leaf in LEAVES if leaf.code == problem.get("code")), SekishoError)
    return leaf(problem.get("title") or fallback, where=problem.get("where", ""), todo=problem.get("todo", ""))
