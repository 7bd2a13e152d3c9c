"""What goes over the wire: a request as it is written, and what came back."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it goes over the wire, and its path as any server has to read it (RFC 9112 section 3.2)."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        raw = self.target if self.target.startswith("/") else urlsplit(self.target).path
        return unquote(raw.partition("?")[0].partition("#")[0])

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Answer:
    """A response. ``whole`` is false where the server cut it short."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")
