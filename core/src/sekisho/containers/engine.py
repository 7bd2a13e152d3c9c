"""The connection to a Docker engine, and its errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sekisho.errors import (
    ConflictError,
    MissingToolError,
    NotFoundError,
    SekishoError,
    StorageFullError,
    UpstreamError,
)

if TYPE_CHECKING:
    from docker import DockerClient

TUN = "/dev/net/tun"
_API_TIMEOUT = 600


def connect(host: str | None) -> "DockerClient":
    """Return a client of the engine at ``host`` or the environment's; raise ``MissingToolError`` if none answers."""
    try:
        import docker  # noqa: PLC0415 (lazy, see sekisho.containers)
    except ImportError as error:
        raise MissingToolError(
            "the docker SDK for Python is not installed", todo="install sekisho[containers]"
        ) from error
    client = None
    try:
        client = docker.DockerClient(host, timeout=_API_TIMEOUT) if host else docker.from_env(timeout=_API_TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        if client is not None:
            client.close()
        raise MissingToolError(
            f"no Docker engine answers: {error}",
            where=host or "DOCKER_HOST, or the default socket",
            todo="start the Docker service, and see that this user may use its socket",
        ) from error
    return client


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn the SDK's exceptions into ours."""
    try:
        yield
    except SekishoError:
        raise
    except Exception as error:
        ours = _translate(error, where)
        if ours is None:
            raise
        raise ours from error


def _translate(error: Exception, where: str) -> SekishoError | None:
    try:
        from docker.errors import APIError, DockerException, NotFound  # noqa: PLC0415 (lazy, see sekisho.containers)
        from requests.exceptions import RequestException  # noqa: PLC0415 (comes with the SDK)
    except ImportError:
        return None
    if isinstance(error, NotFound):
        return NotFoundError(f"the engine does not have it: {error.explanation}", where=where, todo="load or pull it")
    if isinstance(error, APIError) and error.status_code == 409:
        return ConflictError(f"the engine says: {error.explanation}", where=where)
    return _failure(str(error), where) if isinstance(error, DockerException | RequestException) else None


def _failure(said: str, where: str) -> SekishoError:
    if TUN in said:
        return MissingToolError(
            f"the engine's machine has no {TUN}, by which a gate sees what a container would send",
            where=where,
            todo="load the kernel's module tun there (`modprobe tun`)",
        )
    if "no space left on device" in said:
        return StorageFullError("the engine's disk is full", where=where, todo="prune images and try again")
    return UpstreamError(f"the Docker engine failed: {said}", where=where, todo="see the engine's log")
