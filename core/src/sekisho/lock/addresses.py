"""Where a door has what a lock holds. Files that are made for clients carry these addresses, and no others."""

from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from sekisho.bare import bare
from sekisho.errors import BadInputError
from sekisho.model import Artifact


@dataclass(frozen=True, slots=True)
class DoorAddress:
    """The door of ``workspace`` at ``origin`` (scheme, host and port), as it was at ``frozen`` if that is given."""

    origin: str
    workspace: str
    frozen: str | None = None

    def checked(self) -> "DoorAddress":
        """Return it without a trailing slash; raise ``BadInputError`` for an origin that is none, or has a login."""
        parts = urlsplit(self.origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc or parts.query:
            raise BadInputError(
                f"{bare(self.origin)[:120]!r} is no address of a proxy",
                where="SEKISHO_PROXY_URL",
                todo="write it as https://packages.example, without a login",
            )
        return replace(self, origin=self.origin.rstrip("/"))

    def _base(self, login: str = "", token: str = "") -> str:
        scheme, _, rest = self.origin.partition("://")
        frozen = f"/@{self.frozen}" if self.frozen else ""
        return f"{scheme}://{login}{rest}{token}/w/{self.workspace}{frozen}"

    @property
    def index(self) -> str:
        """Return the address of its index (PEP 503)."""
        return self.index_of(logged_in=False)

    def index_of(self, *, logged_in: bool) -> str:
        """Return the address of its index, with the name of the variable that holds a token where one is needed."""
        return f"{self._base(login='__token__:${SEKISHO_TOKEN}@' if logged_in else '')}/pypi/simple/"

    def channel(self, source: str, *, logged_in: bool = False) -> str:
        """Return the address of one of its channels, with the variable that holds a token as for ``index_of``."""
        return f"{self._base(token='/t/${SEKISHO_TOKEN}' if logged_in else '')}/conda/{source}"

    def file(self, artifact: Artifact) -> str:
        """Return the address of one file."""
        path = quote(artifact.path, safe="/!+~")
        if artifact.kind == "conda":
            return f"{self.channel(artifact.source)}/{path}"
        return f"{self._base()}/pypi/files/{path}"
