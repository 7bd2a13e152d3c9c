"""One frozen object, read once and passed on.

Values come from ``SEKISHO_…`` variables, then from the TOML file that ``SEKISHO_CONFIG`` names (default
``sekisho.toml`` in the working folder, if it is there), then from the defaults below.
"""

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from sekisho.errors import BadInputError, RefusedError
from sekisho.logs import Format, Level
from sekisho.model import EVERYONE, Slug, sha256_hex
from sekisho.model.base import explain

_FILE = "sekisho.toml"
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """Everything that a room of Sekisho can be told. docs/reference/settings.md is made from this class."""

    model_config = SettingsConfigDict(env_prefix="SEKISHO_", frozen=True, extra="forbid")

    data: Path = Field(Path("sekisho-data"), description="folder of all durable state")
    allowlists: Path = Field(Path("allowlists"), description="the allowlists tree, inside a git repository")
    images: Path = Field(Path("images"), description="folder of the image definitions")
    database: str | None = Field(None, description="SQLAlchemy URL; default is SQLite in `data`")

    portal_host: str = Field("127.0.0.1", description="address that the portal listens on")
    portal_port: Port = Field(8470, description="port that the portal listens on")
    portal_url: str | None = Field(None, description="where others reach the portal")
    proxy_host: str = Field("127.0.0.1", description="address that the proxy listens on")
    proxy_port: Port = Field(8471, description="port that the proxy listens on")
    proxy_url: str | None = Field(None, description="where others reach the proxy")

    upload_url: str | None = Field(None, description="where the in-house index takes uploads, for `sekisho configure`")
    tls: Literal["off", "generated", "files"] = Field(
        "off", description="what portal and proxy speak: plain http, or TLS with a generated or a supplied certificate"
    )
    tls_certificate: Path | None = Field(
        None, description="for `files`: the certificate, then those that lead to its CA"
    )
    tls_key: Path | None = Field(None, description="for `files`: its key, not encrypted")
    tls_names: str = Field("", description="for `generated`: more host names or addresses, with spaces between them")
    tls_ca: Path | None = Field(
        None, description="authorities that commands and clients trust; default `data`/tls/ca.pem where there is one"
    )

    token: str | None = Field(None, description="who you are, for commands that ask a service")
    workspace: Slug = Field(EVERYONE, description="the workspace that commands mean")
    image: Slug | None = Field(None, description="the image that commands run in; curated images say it themselves")
    trust: Path | None = Field(None, description="file of trusted public keys; default `data`/trust.json")
    replica: bool = Field(default=False, description="serve without any upstream, by what `sekisho import` brought")

    registry: str | None = Field(None, description="registry that images are pushed to, as host:port")
    repository_prefix: str = Field("curated/", description="what repositories of pushed images begin with")
    base_cache: Path = Field(
        Path("~/.cache/sekisho/bases").expanduser(), description="base images that were built here, by lock digest"
    )
    upstream_timeout: float = Field(20.0, gt=0, description="seconds without a byte until an upstream counts as down")
    source_logins: Path | None = Field(
        None, description="netrc file with the logins of sources by host; default `data`/sources.netrc if it is there"
    )
    sigstore_root: Path | None = Field(
        None,
        description="file of Sigstore's trust root (`trusted_root.json`), by which attestations (PEP 740) are "
        "verified; default is the one that comes with its library",
    )
    scanner: Path | None = Field(
        None, description="GuardDog's program, in an environment of its own; without it no file is scanned"
    )
    scanner_wait: float = Field(
        60.0, ge=0, description="seconds that an inspection waits for a scan, which goes on and is known the next time"
    )
    unapproved_names: int = Field(
        600,
        ge=0,
        description="names without approvals that sources are asked for in an hour, to explain refusals; "
        "0 tells nobody outside what people type",
    )
    build_timeout: int = Field(1800, gt=0, description="seconds that building a wheel from source may take, each time")
    build_memory: int = Field(
        4 << 30, ge=64 << 20, description="bytes of memory for building a wheel, with all files that it makes meanwhile"
    )
    log_level: Level = Field("warning", description="what services log: `info` has a line for each request")
    log_format: Format = Field("text", description="how they log it: `text`, or `json` with one object a line")
    debian_mirror: str | None = Field(None, description="mirror that base images are built from; default mmdebstrap's")

    @classmethod
    def settings_customise_sources(  # noqa: D102 (pydantic-settings' hook)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get("SEKISHO_CONFIG")
        path = Path(named or _FILE)
        if named and not path.is_file():
            raise BadInputError("there is no such file", where=f"SEKISHO_CONFIG={named}")
        try:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)
        except ValueError as error:
            raise BadInputError(f"not valid TOML: {error}", where=str(path)) from error

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        given = {"tls_certificate": self.tls_certificate, "tls_key": self.tls_key}
        for name, path in given.items():
            if (self.tls == "files") != (path is not None):
                verb = "needs" if path is None else "does not use"
                raise ValueError(f"SEKISHO_TLS={self.tls} {verb} SEKISHO_{name.upper()}")
        return self

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL of ledger and operational state."""
        return self.database or f"sqlite:///{self.data.absolute() / 'sekisho.sqlite'}"

    @property
    def portal(self) -> str:
        """Return the portal's address without a trailing slash."""
        return (self.portal_url or self._own(self.portal_host, self.portal_port)).rstrip("/")

    @property
    def proxy(self) -> str:
        """Return the proxy's address without a trailing slash."""
        return (self.proxy_url or self._own(self.proxy_host, self.proxy_port)).rstrip("/")

    def _own(self, host: str, port: int) -> str:
        scheme = "http" if self.tls == "off" else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def tls_folder(self) -> Path:
        """Return the folder of the generated CA."""
        return self.data / "tls"

    @property
    def trusted_ca(self) -> Path | None:
        """Return the file of authorities to trust beside the system's, if there is one."""
        generated = self.tls_folder / "ca.pem"
        return self.tls_ca or (generated if generated.exists() else None)

    @property
    def trust_file(self) -> Path:
        """Return the file of trusted keys."""
        return self.trust or self.data / "trust.json"

    @property
    def owner(self) -> str:
        """Return what marks this installation's containers among others on the same engine."""
        return owner_of(self.data)

    @property
    def service_token_file(self) -> Path:
        """Return the file (mode 0600) that holds the token the rooms use among themselves."""
        return self.data / "service.token"


def owner_of(data: Path) -> str:
    """Return the mark of the installation whose state is in ``data``."""
    return sha256_hex(str(data.absolute()).encode())[:12]


def of_this_folder() -> frozenset[str]:
    """Return the settings that the working folder's ``sekisho.toml`` decides. What nobody named may be anybody's."""
    path = Path(_FILE)
    if os.environ.get("SEKISHO_CONFIG") or not path.is_file():
        return frozenset()
    named = {name.upper() for name in os.environ}
    return frozenset(name for name in tomllib.loads(path.read_text()) if f"SEKISHO_{name.upper()}" not in named)


def require_named(names: Iterable[str], what: str) -> None:
    """Raise ``RefusedError`` if one of these settings, which decide ``what``, came with the working folder."""
    found = sorted(of_this_folder().intersection(names))
    if found:
        raise RefusedError(
            f"the sekisho.toml of this folder would decide {what}",
            where=str(Path(_FILE).absolute()),
            todo=f"if that is right, set SEKISHO_{found[0].upper()}, or SEKISHO_CONFIG={_FILE}",
        )


def load_settings(**overrides: object) -> Settings:
    """Read the settings once; raise ``BadInputError`` naming each wrong one."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadInputError(
            explain(error), where="SEKISHO_… variables or sekisho.toml", todo="see docs/reference/settings.md"
        ) from error
