"""Who is calling: opaque random tokens, stored as hashes, with roles."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import Column, Engine, MetaData, String, Table, delete, insert, select

from sekisho.database import create_table
from sekisho.errors import BadInputError, UnauthenticatedError
from sekisho.model import Moment, Record, sha256_hex

Role = Literal["requester", "approver", "service", "admin"]
"""``service`` is a room of Sekisho itself: it may report work and read the candidate mount, and decide nothing."""

ROLES: tuple[Role, ...] = get_args(Role)
SERVICE = "service"
"""The name that the rooms go by."""

_RESERVED = {SERVICE, "policy"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")

_TOKENS = Table(
    "tokens",
    MetaData(),
    Column("hash", String(64), primary_key=True),
    Column("name", String(200), nullable=False, index=True),
    Column("roles", String(200), nullable=False),
    Column("expires", String(40)),
)


class Identity(Record):
    """Who a token belongs to and what they may do."""

    name: str
    roles: tuple[Role, ...]
    expires: Moment | None = None

    def has(self, *roles: Role) -> bool:
        """Tell whether the identity has one of ``roles``."""
        return any(role in self.roles for role in roles)


class Tokens:
    """The table of tokens. A token itself is never stored and cannot be shown twice."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._clock = clock
        create_table(engine, _TOKENS)

    def issue(self, name: str, roles: tuple[str, ...], *, expires: datetime | None = None) -> str:
        """Make a token for ``name`` and return it. The names of Sekisho's own actors are nobody's."""
        unknown = [role for role in roles if role not in ROLES]
        if unknown or not roles:
            raise BadInputError(f"unknown role {', '.join(unknown) or '(none)'}", todo=f"use one of {', '.join(ROLES)}")
        if not _NAME.fullmatch(name):
            raise BadInputError(
                f"{name[:120]!r} is not the name of a token's holder",
                todo="use 1 to 100 letters, digits and . _ @ -, beginning with a letter or digit",
            )
        if name.casefold() in _RESERVED:
            raise BadInputError(f"{name!r} is a name of Sekisho itself", todo="choose another name")
        secret = f"skp_{secrets.token_urlsafe(32)}"
        with self._engine.begin() as connection:
            connection.execute(
                insert(_TOKENS).values(
                    hash=_hash(secret),
                    name=name,
                    roles=" ".join(roles),
                    expires=expires.isoformat() if expires else None,
                )
            )
        return secret

    def accept_service(self, secret: str) -> None:
        """Have ``secret``, from the service's own file, stand for the rooms; one that stood for them before is void."""
        with self._engine.begin() as connection:
            connection.execute(delete(_TOKENS).where((_TOKENS.c.name == SERVICE) | (_TOKENS.c.hash == _hash(secret))))
            connection.execute(insert(_TOKENS).values(hash=_hash(secret), name=SERVICE, roles="service", expires=None))

    def revoke(self, name: str) -> int:
        """Remove every token of ``name``; return how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(_TOKENS).where(_TOKENS.c.name == name)).rowcount

    def identify(self, token: str) -> Identity:
        """Return whose token this is; raise ``UnauthenticatedError`` if it is unknown or has expired."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_TOKENS).where(_TOKENS.c.hash == _hash(token))).one_or_none()
        if row is None:
            raise UnauthenticatedError("the token is not known here", todo="ask an operator for `sekisho token issue`")
        identity = Identity.parse(
            {"name": row.name, "roles": row.roles.split(), "expires": row.expires}, where="tokens table"
        )
        if identity.expires is not None and identity.expires <= self._clock():
            raise UnauthenticatedError("the token has expired", todo="ask an operator for a new one")
        return identity


def _hash(token: str) -> str:
    return sha256_hex(token.encode())
