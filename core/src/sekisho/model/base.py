"""What all records share: frozen, strict, one canonical form, one digest."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, StringConstraints, ValidationError

from sekisho.errors import BadInputError

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A lower-case hexadecimal SHA-256, without a prefix."""


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        message = "a time needs a zone, as in 2026-11-01T00:00:00Z"
        raise ValueError(message)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        message = "in UTC this is no year from 1 to 9999"
        raise ValueError(message) from error


def _as_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, AfterValidator(_as_utc), PlainSerializer(_as_text, return_type=str, when_used="json")]
"""An aware time, kept in UTC and written as RFC 3339 with ``Z``."""


def canonical_json(value: object) -> bytes:
    """Serialise to one byte form: sorted keys, no white space, UTF-8.

    Numbers in records are integers, so this agrees with RFC 8785 on everything that records hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Record(BaseModel):
    """A frozen value with parsed types; unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def plain(self) -> dict[str, Any]:
        """Return the record as JSON-ready values, without keys that are unset or empty by default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def canonical(self) -> bytes:
        """Return the one byte form that is hashed and signed."""
        return canonical_json(self.plain())

    def digest(self) -> str:
        """Return the SHA-256 of the canonical form."""
        return sha256_hex(self.canonical())

    @classmethod
    def parse(cls, value: object, *, where: str) -> Self:
        """Validate outside data; raise ``BadInputError`` naming each wrong key in ``where``."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise BadInputError(
                explain(error), where=where, todo="correct the named keys; docs/reference lists them"
            ) from error

    @classmethod
    def parse_json(cls, data: bytes | bytearray | str, *, where: str) -> Self:
        """Validate outside JSON; raise ``BadInputError`` naming ``where``."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise BadInputError(explain(error), where=where) from error


def explain(error: ValidationError) -> str:
    """Put a validation error into one line per wrong key."""
    return "; ".join(_line(".".join(map(str, row["loc"])), row["msg"]) for row in error.errors(include_url=False))


def _line(key: str, said: str) -> str:
    sentence = said.removeprefix("Value error, ")
    return f"{key}: {sentence}" if key else sentence if sentence != said else f"value: {said}"
