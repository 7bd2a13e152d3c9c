"""Where a source is, and which hosts it may be read from."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sekisho.errors import BadInputError, UpstreamError
from sekisho.sources import Source
from sekisho_proxy.upstream.logins import host_of


@dataclass(frozen=True, slots=True)
class Place:
    """A source's addresses. ``files`` are the bases that an artifact's ``path`` is looked for under, in order.

    ``private`` says that its hosts may have private addresses.
    """

    id: str
    index: str
    files: tuple[str, ...]
    hosts: frozenset[str]
    private: bool = False

    def admit(self, url: str) -> str:
        """Return ``url`` if its host is one of the source's; raise ``UpstreamError`` naming the host otherwise.

        A step down from https to http is refused as well.
        """
        parts = _split(url)
        downgrade = parts.scheme != "https" and self.index.startswith("https:")
        if parts.scheme not in {"http", "https"} or downgrade or _host(parts) not in self.hosts or "@" in parts.netloc:
            raise UpstreamError(
                f"source {self.id!r} points to {parts.scheme}://{parts.hostname or ''}, which is not one of its hosts",
                where=parts.path,
                todo="if the host is right, list it under `file-hosts` in sources.yaml",
            )
        return url


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadInputError(f"not a URL: {error}") from error


def _host(parts: SplitResult) -> str:
    try:
        return host_of(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        return ""


def _well_known() -> tuple[str, str]:
    """Return (index, file host) of PyPI, as its own client libraries know them."""
    from pip._internal.models.index import PyPI  # noqa: PLC0415 (costs 0.1 s, needed only for this preset)
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415

    return PYPI_SIMPLE_ENDPOINT, str(PyPI.file_storage_domain)


def locate(source: Source) -> Place:
    """Turn a source of ``sources.yaml`` into its addresses."""
    index, host = _well_known() if source.preset == "pypi" else (source.url or "", "")
    parts = _split(index)
    file_hosts = tuple(name for name in (host, *source.file_hosts) if name)
    own = _host(parts)
    below = parts.path.strip("/") + "/" if source.kind == "conda" else ""  # of a channel a file's path is below its own
    return Place(
        id=source.id,
        index=index.rstrip("/") + "/",
        files=tuple(f"{parts.scheme}://{name}/{below}".rstrip("/") + "/" for name in (*file_hosts, parts.netloc)),
        hosts=frozenset({own, *(name.lower() for name in file_hosts)}),
        private=source.private,
    )
