"""From an image's name to the archive of its environment: its newest lock, fetched through the workspace's door."""

from pathlib import Path
from tempfile import TemporaryDirectory

from sekisho.client import PortalClient
from sekisho.definitions import read_definition
from sekisho.errors import ConflictError
from sekisho.lock import Lock
from sekisho.model import ImageDefinition
from sekisho.settings import Settings
from sekisho.store import BlobStore
from sekisho_builder.archive.writing import Archived, write_archive
from sekisho_builder.proxy import Proxy


def make_archive(settings: Settings, token: str, image: str, out: Path, *, prefix: str = "") -> Archived:
    """Write the archive of an image's newest lock that fits its definition to ``out``.

    What is no longer approved is refused by the door that it comes through. Raises ``ConflictError`` where nothing is
    locked, and what ``write_archive`` raises.
    """
    definition = read_definition(settings.images, image)
    with PortalClient(settings.portal, token, direct=True, ca=settings.trusted_ca) as portal:
        lock = _newest(portal, definition)
    proxy = Proxy(settings.proxy, token, ca=settings.trusted_ca)
    try:
        with TemporaryDirectory() as folder:
            fetched = BlobStore(Path(folder))  # asked of the door each time, whatever is kept
            proxy.fetch(lock.artifacts, lock.workspace, fetched, lambda _done, _total: None)
            return write_archive(definition, lock, lambda one: fetched.path(one.sha256), out, prefix=prefix)
    finally:
        proxy.close()


def _newest(portal: PortalClient, definition: ImageDefinition) -> Lock:
    wanted = (definition.requirements, definition.conda, definition.target, definition.resolve_before)
    for row in portal.requests():  # the newest first
        if row["request"].get("image") == definition.name and row.get("lock"):
            lock = Lock.parse(row["lock"], where=f"lock of request {row['id']}")
            if (lock.direct, lock.conda, lock.target, lock.resolve_before) == wanted:
                return lock
    raise ConflictError(
        f"no request for image {definition.name} as it is now was approved and locked",
        where=f"images/{definition.name}/image.yaml",
        todo=f"ask with `sekisho request --image {definition.name}`, have it approved, and run this again",
    )
