"""A layout as the tar that ``docker load`` takes, so that an image can be tried before it is pushed."""

import io
import json
import tarfile
from pathlib import Path

from sekisho.disk import disk_errors
from sekisho_builder.oci.layout import Layout


def to_docker_archive(layout: Layout, path: Path) -> Path:
    """Write the image in docker-archive form and return ``path``.

    The layers go in as they are: an engine (tried with 20.10) inflates gzip while it loads.
    """
    config = layout.config_descriptor.sha256
    layers = [row.sha256 for row in layout.layers]
    listing = [{"Config": f"{config}.json", "RepoTags": None, "Layers": [f"{sha256}.tar" for sha256 in layers]}]
    with disk_errors(path), tarfile.open(path, "w") as archive:
        archive.add(layout.blob(config), f"{config}.json", filter=_owned_by_root)
        for sha256 in dict.fromkeys(layers):
            archive.add(layout.blob(sha256), f"{sha256}.tar", filter=_owned_by_root)
        data = json.dumps(listing).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return path


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
