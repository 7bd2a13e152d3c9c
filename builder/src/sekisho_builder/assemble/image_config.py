"""What an engine is told about an image: environment, user, labels, and where it comes from."""

from collections.abc import Mapping
from typing import Any

from sekisho.lock import Lock, lock_digest
from sekisho.model import ImageDefinition
from sekisho_builder.assemble.activation import entered
from sekisho_builder.base.debian_lock import DebianLock
from sekisho_builder.oci.layout import ARCHITECTURES, LOCK_ANNOTATION, Layout

DEBIAN_LOCK_ANNOTATION = "dev.sekisho.debian-lock"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EPOCH = "1980-01-01T00:00:00Z"


def created(definition: ImageDefinition) -> str:
    """Return the image's date: the cut-off of its packages, never the clock."""
    moment = definition.resolve_before
    return _EPOCH if moment is None else moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def image_config(
    definition: ImageDefinition, told_of: Mapping[str, str], base: Layout, stated: Mapping[str, str]
) -> dict[str, Any]:
    """Return the config (image-spec, config.md) without ``rootfs`` and ``history``; ``told_of`` are labels.

    ``stated`` are variables that packages set in an environment that is active.

    The base's own environment, labels and command stay where the definition does not say otherwise.
    """
    told = base.config.get("config") or {}
    environment = dict(row.partition("=")[::2] for row in told.get("Env") or ())
    prefix = definition.prefix.rstrip("/")
    environment["PATH"] = f"{prefix}/bin:{environment.get('PATH') or _PATH}"
    environment |= {**entered(prefix), **stated} if definition.conda else {"VIRTUAL_ENV": prefix}
    environment |= {**definition.environment, "SEKISHO_IMAGE": definition.name}  # a process sees no label
    inner: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "User": definition.user,
        "WorkingDir": definition.workdir,
        "Cmd": told.get("Cmd") or ["python"],
    }
    inner |= {"Entrypoint": told["Entrypoint"]} if told.get("Entrypoint") else {}
    inner["Labels"] = {**(told.get("Labels") or {}), **told_of}
    return {
        "created": created(definition),
        "architecture": ARCHITECTURES[definition.target.arch],
        "os": definition.target.os,
        "config": inner,
    }


def annotations(definition: ImageDefinition, lock: Lock, base: Layout, debian: DebianLock) -> dict[str, str]:
    """Return the manifest's annotations (image-spec, annotations.md), which are labels of the config as well.

    ``revision`` is the definition's digest, not a commit's: a commit that changes nothing of the image makes no other
    image.
    """
    pairs = {
        **definition.labels,
        "org.opencontainers.image.created": created(definition),
        "org.opencontainers.image.title": definition.name,
        "org.opencontainers.image.description": definition.description,
        "org.opencontainers.image.source": definition.source or "",
        "org.opencontainers.image.revision": f"sha256:{definition.digest()}",
        "org.opencontainers.image.base.digest": f"sha256:{base.manifest_sha256}",
        "org.opencontainers.image.base.name": definition.base.image or definition.base.debian or "",
        LOCK_ANNOTATION: f"sha256:{lock_digest(lock)}",
        DEBIAN_LOCK_ANNOTATION: f"sha256:{debian.digest()}" if debian.debs else "",
    }
    return {name: value for name, value in pairs.items() if value}
